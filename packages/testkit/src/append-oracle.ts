import { isDeepStrictEqual } from 'node:util';

/** A message as REST and channels show it, as far as the oracle cares. */
export interface SeenMessage {
  readonly id: string;
  readonly seq: number;
  readonly session_id: string;
  readonly sender_id: string;
  readonly kind: string;
  readonly content: object;
  readonly metadata: object;
  readonly client_id?: string;
}

/** A message that somebody wants stored, from before its first attempt until its acknowledgement. */
export interface WantedMessage {
  readonly sessionId: string;
  readonly senderId: string;
  readonly clientId: string;
  readonly kind: string;
  readonly content: object;
  readonly metadata: object;
  /** The highest seq of the session that anybody had been acknowledged when this was first sent. */
  readonly floor: number;
  acknowledged: { readonly id: string; readonly seq: number } | null;
}

/** More of the same says nothing new. */
const maxViolations = 20;

/**
 * Knows what was wanted and what was acknowledged, and judges a log by it: every acknowledged message is there
 * exactly once, at its acknowledged seq, with equal JSON values; seq is 1…N; nobody else's message is there; and
 * what was sent after an acknowledgement stands behind it. When messages were sent, killed or repeated plays no part.
 */
export class AppendOracle {
  readonly #wanted = new Map<string, WantedMessage>();
  readonly #highest = new Map<string, number>();
  #acknowledged = 0;

  /** Messages whose first attempt was begun. */
  get begun(): number {
    return this.#wanted.size;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Call before the first attempt. */
  begin(draft: Pick<WantedMessage, 'sessionId' | 'senderId' | 'content' | 'metadata'>): WantedMessage {
    const message: WantedMessage = {
      ...draft,
      kind: 'text',
      clientId: `c${this.#wanted.size}`,
      floor: this.#highest.get(draft.sessionId) ?? 0,
      acknowledged: null,
    };
    this.#wanted.set(message.clientId, message);
    return message;
  }

  acknowledge(message: WantedMessage, { id, seq }: { id: string; seq: number }): void {
    message.acknowledged = { id, seq };
    this.#acknowledged += 1;
    const highest = this.#highest.get(message.sessionId) ?? 0;
    this.#highest.set(message.sessionId, Math.max(highest, seq));
  }

  /** What is wrong with the whole log of a session; nothing, it should be. */
  judge(sessionId: string, log: readonly SeenMessage[]): string[] {
    const wanted = [...this.#wanted.values()].filter((message) => message.sessionId === sessionId);
    const violations = [
      ...findHoles(log),
      ...findRepeats(log, (message) => message.id),
      ...findRepeats(log, (message) => message.client_id),
      ...log.flatMap((message) => this.#findForeign(message)),
      ...wanted.flatMap((message) => findBrokenPromise(message, log)),
    ];
    return shorten(violations.map((violation) => `${sessionId}: ${violation}`));
  }

  #findForeign(message: SeenMessage): string[] {
    const { seq, session_id, sender_id, kind, content, metadata, client_id = '' } = message;
    const wanted = this.#wanted.get(client_id);
    const isWanted =
      wanted !== undefined &&
      wanted.sessionId === session_id &&
      wanted.senderId === sender_id &&
      wanted.kind === kind &&
      isDeepStrictEqual(wanted.content, content) &&
      isDeepStrictEqual(wanted.metadata, metadata);
    return isWanted ? [] : [`seq ${seq} (${client_id}) holds what nobody sent: ${JSON.stringify(message)}`];
  }
}

/** What is different between the log and what somebody saw of it, who should have seen all. */
export function compareWithLog(
  who: string,
  seen: readonly SeenMessage[],
  log: readonly SeenMessage[],
): string[] {
  const violations = [];
  for (let index = 0; index < Math.max(seen.length, log.length); index++) {
    if (isDeepStrictEqual(seen[index], log[index])) continue;
    const [shown, stored] = [seen[index], log[index]].map((message) => JSON.stringify(message) ?? 'nothing');
    violations.push(`${who} saw ${shown} where the log has ${stored}`);
  }
  return shorten(violations);
}

function findHoles(log: readonly SeenMessage[]): string[] {
  return log.flatMap(({ seq }, index) =>
    seq === index + 1 ? [] : [`seq ${seq} stands where ${index + 1} belongs`],
  );
}

function findRepeats(
  log: readonly SeenMessage[],
  keyOf: (message: SeenMessage) => string | undefined,
): string[] {
  return [...Map.groupBy(log, keyOf)].flatMap(([key, messages]) =>
    messages.length === 1 ? [] : [`${key} is there ${messages.length} times`],
  );
}

function findBrokenPromise(message: WantedMessage, log: readonly SeenMessage[]): string[] {
  const { clientId, floor, acknowledged } = message;
  if (acknowledged === null) return [`${clientId} was never acknowledged`];
  const { id, seq } = acknowledged;
  const stored = log[seq - 1];
  if (stored?.id !== id || stored.client_id !== clientId) {
    const found = stored ? `${stored.id} (${stored.client_id})` : 'nothing';
    return [`${clientId} was acknowledged as ${id} at seq ${seq}, where the log has ${found}`];
  }
  // I7: whoever had heard of an acknowledgement before sending stands behind it.
  return seq > floor
    ? []
    : [`${clientId} was sent after the acknowledgement of seq ${floor}, and got ${seq}`];
}

function shorten(violations: readonly string[]): string[] {
  const more = violations.length - maxViolations;
  return more > 0 ? [...violations.slice(0, maxViolations), `… and ${more} more`] : [...violations];
}
