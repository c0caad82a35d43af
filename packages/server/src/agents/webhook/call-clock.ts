import type { FailureReason } from '../call-failure.ts';

/** What a call may wait for. */
export type Wait = Extract<
  FailureReason,
  'connect_timeout' | 'first_chunk_timeout' | 'idle_timeout' | 'duration_exceeded'
>;

/**
 * Measures a call: as a whole, and the one thing that it waits for at a time. Owns two timers. Time in which the
 * reader of the answer is busy with what it has is not the endpoint's.
 */
export class CallClock {
  readonly #onExpired: (wait: Wait, ms: number) => void;
  readonly #startedMs = performance.now();
  readonly #whole: NodeJS.Timeout;
  #current: NodeJS.Timeout | undefined;
  #isHeld = false;
  #isStopped = false;

  constructor(maxDurationMs: number, onExpired: (wait: Wait, ms: number) => void) {
    this.#onExpired = onExpired;
    this.#whole = setTimeout(onExpired, maxDurationMs, 'duration_exceeded', maxDurationMs);
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }

  /** From now on this is waited for, and nothing else. */
  await(wait: Wait, ms: number): void {
    clearTimeout(this.#current);
    if (this.#isStopped) return;
    this.#current = setTimeout(() => this.#expire(wait, ms), Math.max(ms, 0));
  }

  /** The reader wants more. */
  release(): void {
    this.#isHeld = false;
  }

  /** The reader wants more: the time begins anew. */
  restart(): void {
    this.release();
    if (!this.#isStopped) this.#current?.refresh();
  }

  /** The reader is busy. */
  hold(): void {
    this.#isHeld = true;
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#whole);
    clearTimeout(this.#current);
  }

  #expire(wait: Wait, ms: number): void {
    if (this.#isHeld) this.#current?.refresh();
    else this.#onExpired(wait, ms);
  }
}
