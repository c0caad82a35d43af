import { type Percentiles, percentiles } from '../statistics.ts';

/** What a closed loop did in its time. */
export interface ClosedLoopResult extends Percentiles {
  readonly perSecond: number;
  readonly seconds: number;
  readonly count: number;
  /** Answers that were no success, by their reason. */
  readonly failures: Readonly<Record<string, number>>;
}

/** Called once, when an operation has ended; the reason if it failed. */
export type OnEnd = (failure?: string) => void;

/** After the time is over the last answers may take this long, or they count as failures. */
const lastAnswerMs = 15_000;

/**
 * Keeps a number of operations going on each of some slots until the time is over: the next begins when one ends.
 * `begin` starts an operation and calls `onEnd` once. No promise for each operation: the loop costs little.
 */
export class ClosedLoop {
  readonly #times: number[] = [];
  readonly #failures: Record<string, number> = {};
  readonly #begin: (slot: number, onEnd: OnEnd) => void;
  readonly #done = Promise.withResolvers<void>();
  #endMs = 0;
  #open = 0;

  constructor(begin: (slot: number, onEnd: OnEnd) => void) {
    this.#begin = begin;
  }

  async run(order: { slots: number; inFlight: number; seconds: number }): Promise<ClosedLoopResult> {
    const beganMs = performance.now();
    this.#endMs = beganMs + order.seconds * 1_000;
    for (let n = 0; n < order.slots * order.inFlight; n += 1) this.#next(n % order.slots);
    const timer = setTimeout(() => this.#giveUp(), order.seconds * 1_000 + lastAnswerMs);
    await this.#done.promise;
    clearTimeout(timer);
    const seconds = (performance.now() - beganMs) / 1_000;
    const { length: count } = this.#times;
    return {
      ...percentiles(this.#times),
      perSecond: count / seconds,
      seconds,
      count,
      failures: this.#failures,
    };
  }

  #next(slot: number): void {
    this.#open += 1;
    const beganMs = performance.now();
    this.#begin(slot, (failure) => {
      const nowMs = performance.now();
      this.#open -= 1;
      if (failure === undefined) this.#times.push(nowMs - beganMs);
      else this.#failures[failure] = (this.#failures[failure] ?? 0) + 1;
      if (nowMs < this.#endMs) this.#next(slot);
      else if (this.#open === 0) this.#done.resolve();
    });
  }

  #giveUp(): void {
    this.#failures['no_answer'] = this.#open;
    this.#done.resolve();
  }
}
