/** Weight of the newest batch: the pace follows a change within a handful of batches, and no single one rules it. */
const newestWeight = 0.3;

/**
 * How fast a lane gets through its queue. A batch that leaves nothing waiting can only say that it is faster than was
 * thought: a small one takes as long as its commit, and a full one hardly longer. Attempts that fail say nothing:
 * while Postgres is away appends wait for it, up to their deadline.
 */
export class LanePace {
  #msPerRow = 0;
  #startedMs = 0;
  #leavesQueue = false;
  #hasFailed = false;

  /** Milliseconds for one append of a queue; 0 as long as none has built up. */
  get msPerRow(): number {
    return this.#msPerRow;
  }

  begin(leavesQueue: boolean): void {
    this.#leavesQueue = leavesQueue;
    this.#hasFailed = false;
    this.#startedMs = performance.now();
  }

  failed(): void {
    this.#hasFailed = true;
  }

  end(rows: number): void {
    if (this.#hasFailed) return;
    const msPerRow = (performance.now() - this.#startedMs) / rows;
    if (!this.#leavesQueue && msPerRow >= this.#msPerRow) return;
    const weight = this.#msPerRow === 0 ? 1 : newestWeight;
    this.#msPerRow += (msPerRow - this.#msPerRow) * weight;
  }
}
