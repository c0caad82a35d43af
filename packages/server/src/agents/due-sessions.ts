import type { SessionId, TurnId } from '@fleetlm/protocol';
import type { RunningTurn } from './turns/running-turn.ts';

/** Sessions of one claim: as many as one statement looks through in a millisecond or two. */
const claimBatch = 64;

/**
 * The sessions in which turns are due, or will be: which of them are to be claimed next, of those that somebody told of
 * and of those that a sweep has found. It owns a timer for each turn that is due later. It may forget what it holds: a
 * sweep finds it again.
 */
export class DueSessions {
  readonly #onLater: (sessionId: SessionId) => void;
  readonly #told = new Set<SessionId>();
  readonly #found = new Set<SessionId>();
  readonly #timers = new Map<TurnId, NodeJS.Timeout>();

  /** `onLater` is told of a session whose turn was due later, and is due now. */
  constructor(onLater: (sessionId: SessionId) => void) {
    this.#onLater = onLater;
  }

  get isEmpty(): boolean {
    return this.#told.size + this.#found.size === 0;
  }

  /** Somebody told of them. */
  add(sessionIds: Iterable<SessionId>): void {
    for (const id of sessionIds) this.#told.add(id);
  }

  /** A sweep has found them. */
  addFound(sessionIds: Iterable<SessionId>): void {
    for (const id of sessionIds) this.#found.add(id);
  }

  /** A turn of a session is due after so long; a later call takes the place of an earlier one. */
  addLater({ id, sessionId }: Pick<RunningTurn, 'id' | 'sessionId'>, ms: number): void {
    clearTimeout(this.#timers.get(id));
    const timer = setTimeout(
      () => {
        this.#timers.delete(id);
        this.#onLater(sessionId);
      },
      Math.ceil(Math.max(ms, 0)) + 1,
    );
    this.#timers.set(id, timer.unref());
  }

  /** Takes out as many as are claimed at a time. */
  take(): SessionId[] {
    // Half of each, where there are both: neither waits for the other's end.
    const told = [...this.#told.values().take(Math.max(claimBatch / 2, claimBatch - this.#found.size))];
    const found = [...this.#found.values().take(claimBatch - told.length)];
    for (const id of told) this.#told.delete(id);
    for (const id of found) this.#found.delete(id);
    return [...told, ...found];
  }

  /** Forgets those that are due now. */
  clear(): void {
    this.#told.clear();
    this.#found.clear();
  }

  /** Nothing comes due later any more. */
  stop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
