import { setTimeout as sleep } from 'node:timers/promises';
import { type Percentiles, percentiles } from '../statistics.ts';
import type { Load } from './load.ts';
import { Sender, type SenderOrder } from './sender.ts';

export interface PacedOrder {
  readonly senders: readonly SenderOrder[];
  readonly perSecond: number;
}

export interface PacedResult extends Percentiles {
  readonly count: number;
  /** What the clock asked for, and was not sent: too much was on its way. */
  readonly heldBack: number;
  readonly failures: number;
}

/** As fine as timers are: a message is at most so late, and its time counts from its own sending. */
const tickMs = 1;
/** Two seconds' worth: a server that is behind by more has lost the race, and the generator must not grow. */
const maxBehindMs = 2_000;

/** Members who send by the clock, in turn, however long the answers take. */
export async function openPaced(order: PacedOrder): Promise<Load<{ seconds: number }, PacedResult>> {
  const senders = await Promise.all(order.senders.map((sender) => Sender.open(sender)));
  return { run: ({ seconds }) => new Pace(senders, order.perSecond).run(seconds) };
}

class Pace {
  readonly #senders: readonly Sender[];
  readonly #perSecond: number;
  readonly #times: number[] = [];
  #open = 0;
  #failures = 0;
  #heldBack = 0;

  constructor(senders: readonly Sender[], perSecond: number) {
    this.#senders = senders;
    this.#perSecond = perSecond;
  }

  async run(seconds: number): Promise<PacedResult> {
    const beganMs = performance.now();
    const maxOpen = (this.#perSecond * maxBehindMs) / 1_000;
    const total = this.#perSecond * seconds;
    for (let offered = 0; offered < total; ) {
      const due = ((performance.now() - beganMs) / 1_000) * this.#perSecond;
      for (; offered < Math.min(due, total); offered += 1) {
        if (this.#open < maxOpen) this.#send(this.#senders[offered % this.#senders.length]!);
        else this.#heldBack += 1;
      }
      await sleep(tickMs);
    }
    for (let waitedMs = 0; this.#open > 0 && waitedMs < maxBehindMs; waitedMs += tickMs) await sleep(tickMs);
    return {
      ...percentiles(this.#times),
      count: this.#times.length,
      heldBack: this.#heldBack,
      failures: this.#failures + this.#open,
    };
  }

  #send(sender: Sender): void {
    const sentMs = performance.now();
    this.#open += 1;
    sender.send((failure) => {
      this.#open -= 1;
      if (failure === undefined) this.#times.push(performance.now() - sentMs);
      else this.#failures += 1;
    });
  }
}
