import { setTimeout as sleep } from 'node:timers/promises';
import { type Percentiles, percentiles } from '../statistics.ts';
import { countFailure, type Failures } from './failures.ts';
import type { Load, TimedRun } from './load.ts';
import type { Member } from './member.ts';
import { Sender } from './sender.ts';

export interface PacedOrder {
  readonly senders: readonly Member[];
  readonly perSecond: number;
}

export interface PacedResult extends Percentiles {
  readonly count: number;
  /** `held back` is what the clock asked for, when too much was on its way. */
  readonly failures: Failures;
}

/** As fine as timers are: a message is at most so late, and its time counts from its own sending. */
const tickMs = 1;
/** Two seconds' worth: a server that is behind by more has lost the race, and the generator must not grow. */
const maxBehindMs = 2_000;

/** Members who send by the clock, in turn, however long the answers take. */
export async function openPaced({ senders, perSecond }: PacedOrder): Promise<Load<TimedRun, PacedResult>> {
  const open = await Promise.all(senders.map((member) => Sender.open(member)));
  return { run: ({ seconds }) => new Pace(open, perSecond).run(seconds) };
}

class Pace {
  readonly #senders: readonly Sender[];
  readonly #perSecond: number;
  readonly #maxOpen: number;
  readonly #times: number[] = [];
  readonly #failures: Record<string, number> = {};
  #offered = 0;
  #open = 0;

  constructor(senders: readonly Sender[], perSecond: number) {
    this.#senders = senders;
    this.#perSecond = perSecond;
    this.#maxOpen = (perSecond * maxBehindMs) / 1_000;
  }

  async run(seconds: number): Promise<PacedResult> {
    const beganMs = performance.now();
    const total = this.#perSecond * seconds;
    while (this.#offered < total) {
      const due = ((performance.now() - beganMs) / 1_000) * this.#perSecond;
      this.#offer(Math.min(due, total));
      await sleep(tickMs);
    }
    for (let waitedMs = 0; this.#open > 0 && waitedMs < maxBehindMs; waitedMs += tickMs) await sleep(tickMs);
    if (this.#open > 0) countFailure(this.#failures, 'no answer', this.#open);
    return { ...percentiles(this.#times), count: this.#times.length, failures: this.#failures };
  }

  #offer(due: number): void {
    for (; this.#offered < due; this.#offered += 1) {
      if (this.#open < this.#maxOpen) this.#send(this.#senders[this.#offered % this.#senders.length]!);
      else countFailure(this.#failures, 'held back');
    }
  }

  #send(sender: Sender): void {
    const sentMs = performance.now();
    this.#open += 1;
    sender.send((failure) => {
      this.#open -= 1;
      if (failure === undefined) this.#times.push(performance.now() - sentMs);
      else countFailure(this.#failures, failure);
    });
  }
}
