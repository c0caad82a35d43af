/** How fast tokens come back, and how many there are at most. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/**
 * A number of tokens that are taken one by one and come back steadily, up to the burst. Arithmetic only: whoever
 * takes one says what time it is, so that nothing ticks for a caller that is silent.
 */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #atMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#atMs = nowMs;
  }

  /**
   * Takes a token, or as many as something is worth; false when there is none. One is enough to take several: the
   * rest is owed, so that nothing is too large for a small burst.
   */
  take(nowMs: number, count = 1): boolean {
    this.#refill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens -= count;
    return true;
  }

  /** Whether the next `take` would fail. */
  isEmpty(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#tokens < 1;
  }

  #refill(nowMs: number): void {
    // A clock that went back gives nothing and takes nothing.
    const elapsedMs = Math.max(nowMs - this.#atMs, 0);
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + (elapsedMs * this.#rate.perSecond) / 1_000);
    this.#atMs = nowMs;
  }
}
