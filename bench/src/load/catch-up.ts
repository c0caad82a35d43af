import { type Percentiles, percentiles } from '../statistics.ts';
import { ChannelSocket } from './channel-socket.ts';
import { joinAfter } from './join-after.ts';
import type { Load, TimedRun } from './load.ts';
import type { Member } from './member.ts';
import { MissedMessages } from './missed-messages.ts';

export interface CatchUpOrder {
  /** One for each session. */
  readonly readers: readonly ReaderOrder[];
}

/** A member who has seen nothing of a session yet, and the ids of all its messages, in order. */
export interface ReaderOrder extends Member {
  readonly ids: readonly string[];
}

export interface CatchUpRun extends TimedRun {
  /** How many of the readers catch up at the same time. */
  readonly readers: number;
}

/** The percentiles are of the times until a reader had its last message, in ms. */
export interface CatchUpResult extends Percentiles {
  /** Messages. */
  readonly perSecond: number;
  readonly count: number;
}

/** Members who join with nothing, get all of their session, and leave, again and again. */
export async function openCatchUp(order: CatchUpOrder): Promise<Load<CatchUpRun, CatchUpResult>> {
  const readers = await Promise.all(order.readers.map((reader) => Reader.open(reader)));
  return {
    async run({ seconds, readers: size }) {
      const beganMs = performance.now();
      const endMs = beganMs + seconds * 1_000;
      const times = await Promise.all(readers.slice(0, size).map((reader) => reader.readUntil(endMs)));
      const tookMs = performance.now() - beganMs;
      const count = times.reduce((sum, { length }, n) => sum + length * order.readers[n]!.ids.length, 0);
      return { ...percentiles(times.flat()), perSecond: (count * 1_000) / tookMs, count };
    },
  };
}

class Reader {
  readonly #order: ReaderOrder;
  #socket!: ChannelSocket;
  #missed = new MissedMessages([]);

  static async open(order: ReaderOrder): Promise<Reader> {
    const reader = new Reader(order);
    reader.#socket = await ChannelSocket.open(order.url, {
      onPush: ({ event, payload }) => {
        if (event === 'message') reader.#missed.take(payload);
      },
      onClosed: () => reader.#missed.giveUp('the connection was lost'),
    });
    return reader;
  }

  private constructor(order: ReaderOrder) {
    this.#order = order;
  }

  /** Returns how long each time took. At least one. */
  async readUntil(endMs: number): Promise<number[]> {
    const times: number[] = [];
    do {
      const beganMs = performance.now();
      await this.#readAll();
      times.push(performance.now() - beganMs);
      // Whatever was on its way has come before the answer.
      await this.#socket.ask(this.#order.topic, 'phx_leave');
      this.#missed.check();
    } while (performance.now() < endMs);
    return times;
  }

  async #readAll(): Promise<void> {
    const { topic, ids } = this.#order;
    this.#missed = new MissedMessages(ids);
    const { status, response } = await joinAfter(this.#socket, { topic, lastSeq: 0 }, this.#missed);
    if (status !== 'ok') throw new Error(`the join of ${topic} was refused: ${JSON.stringify(response)}`);
    await this.#missed.complete;
  }
}
