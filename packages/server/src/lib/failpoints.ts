import { setTimeout as sleep } from 'node:timers/promises';

const names = [
  'before_commit',
  'after_commit_before_ack',
  /** Of an agent: its turn is claimed. */
  'before_call',
  /** A chunk of an answer was shown. */
  'mid_stream',
  /** An answer is complete, and not stored yet. */
  'before_reply_append',
] as const;

/** A named boundary in the code at which a test can provoke a fault. */
export type Failpoint = (typeof names)[number];

type Action =
  | { readonly kind: 'kill' }
  | { readonly kind: 'throw' }
  | { readonly kind: 'sleep'; readonly ms: number };

interface Rule {
  readonly action: Action;
  readonly probability: number;
}

/**
 * Faults at named places: `after_commit_before_ack=kill@0.01;before_commit=sleep(50);seed=7`. Actions: `kill`
 * (SIGKILL to this process), `throw`, `sleep(ms)`; `@p` is the probability, 1 if not given; `seed` makes a run
 * repeatable. Without rules a failpoint costs one lookup in an empty map.
 */
export class Failpoints {
  readonly #rules: ReadonlyMap<Failpoint, Rule>;
  readonly #random: () => number;

  constructor(text = '') {
    const parts = text
      .split(';')
      .map((part) => part.trim())
      .filter((part) => part !== '');
    const seed = parts.find((part) => part.startsWith('seed='));
    this.#random = seededRandom(seed === undefined ? Date.now() : parseSeed(seed));
    this.#rules = new Map(parts.filter((part) => part !== seed).map(parseRule));
  }

  isSet(name: Failpoint): boolean {
    return this.#rules.has(name);
  }

  /** Provokes the fault of this boundary, if there is one and its turn has come. */
  async reach(name: Failpoint): Promise<void> {
    const rule = this.#rules.get(name);
    if (rule === undefined || this.#random() >= rule.probability) return;
    switch (rule.action.kind) {
      case 'kill':
        process.kill(process.pid, 'SIGKILL');
        return;
      case 'throw':
        throw new Error(`failpoint ${name}`);
      case 'sleep':
        await sleep(rule.action.ms);
    }
  }
}

function parseSeed(part: string): number {
  const digits = /^seed=(\d+)$/.exec(part)?.[1];
  if (digits === undefined) throw new Error('must have digits only as seed');
  return Number(digits);
}

function parseRule(part: string): [Failpoint, Rule] {
  const match = /^(\w+)=(kill|throw|sleep\((\d+)\))(?:@(0(?:\.\d+)?|1))?$/.exec(part);
  const name = names.find((candidate) => candidate === match?.[1]);
  if (!match || !name) {
    throw new Error(`must be name=action@probability (0 to 1); names are ${names.join(', ')}`);
  }
  const action: Action =
    match[3] === undefined ? { kind: match[2] as 'kill' | 'throw' } : { kind: 'sleep', ms: Number(match[3]) };
  return [name, { action, probability: match[4] === undefined ? 1 : Number(match[4]) }];
}

/** mulberry32: small, and the same sequence on every machine. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296;
  };
}
