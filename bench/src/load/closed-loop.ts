import { type Percentiles, percentiles } from '../statistics.ts';
import { countFailure, type Failures } from './failures.ts';

/** What a closed loop did in its time. */
export interface ClosedLoopResult extends Percentiles {
  readonly perSecond: number;
  readonly seconds: number;
  readonly count: number;
  readonly failures: Failures;
}

/** Called once, when an operation has ended; the reason if it failed. */
export type OnEnd = (failure?: string) => void;

export interface ClosedLoopOrder {
  readonly slots: number;
  /** Of each slot. */
  readonly inFlight: number;
  readonly seconds: number;
}

/** Starts an operation of a slot, and calls `onEnd` once. */
export type Begin = (slot: number, onEnd: OnEnd) => void;

/** After the time is over the last answers may take this long, or they count as failures. */
const lastAnswerMs = 15_000;

/** Keeps operations going on each slot until the time is over: the next begins when one ends. */
export function runClosedLoop(order: ClosedLoopOrder, begin: Begin): Promise<ClosedLoopResult> {
  return new ClosedLoop(begin).run(order);
}

/** No promise for each operation: the loop costs little. */
class ClosedLoop {
  readonly #times: number[] = [];
  readonly #failures: Record<string, number> = {};
  readonly #begin: Begin;
  readonly #done = Promise.withResolvers<void>();
  #endMs = 0;
  #open = 0;

  constructor(begin: Begin) {
    this.#begin = begin;
  }

  async run({ slots, inFlight, seconds }: ClosedLoopOrder): Promise<ClosedLoopResult> {
    const beganMs = performance.now();
    this.#endMs = beganMs + seconds * 1_000;
    for (let n = 0; n < slots * inFlight; n += 1) this.#next(n % slots);
    const timer = setTimeout(() => this.#giveUp(), seconds * 1_000 + lastAnswerMs);
    await this.#done.promise;
    clearTimeout(timer);
    return this.#result((performance.now() - beganMs) / 1_000);
  }

  #next(slot: number): void {
    this.#open += 1;
    const beganMs = performance.now();
    this.#begin(slot, (failure) => {
      const nowMs = performance.now();
      this.#open -= 1;
      if (failure === undefined) this.#times.push(nowMs - beganMs);
      else countFailure(this.#failures, failure);
      if (nowMs < this.#endMs) this.#next(slot);
      else if (this.#open === 0) this.#done.resolve();
    });
  }

  #giveUp(): void {
    countFailure(this.#failures, 'no answer', this.#open);
    this.#done.resolve();
  }

  #result(seconds: number): ClosedLoopResult {
    const { length: count } = this.#times;
    return {
      ...percentiles(this.#times),
      perSecond: count / seconds,
      seconds,
      count,
      failures: this.#failures,
    };
  }
}
