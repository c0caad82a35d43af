import { setTimeout as sleep } from 'node:timers/promises';
import { type Percentiles, percentiles } from '../statistics.ts';
import { ChannelSocket } from './channel-socket.ts';
import { joinAfter } from './join-after.ts';
import type { Load } from './load.ts';
import { MissedMessages } from './missed-messages.ts';

export interface ReconnectOrder {
  /** One socket each, in one session. */
  readonly members: readonly { readonly url: string; readonly topic: string }[];
}

/** Lose all connections; or come back, each having missed these messages. */
export type ReconnectRun =
  | { readonly step: 'drop' }
  | { readonly step: 'return'; readonly missed: readonly (readonly string[])[] };

export interface ReconnectResult extends Percentiles {
  /** Until the last one had caught up; the percentiles are of each one's time, in ms. */
  readonly seconds: number;
  readonly messages: number;
  /** Handshakes and joins that were refused, and tried again as official clients do, by their reason. */
  readonly failures: Readonly<Record<string, number>>;
}

/** Sockets that are all lost, and all come back at the same moment. */
export async function openReconnect({
  members: orders,
}: ReconnectOrder): Promise<Load<ReconnectRun, ReconnectResult | null>> {
  const failures: Record<string, number> = {};
  const members = orders.map(({ url, topic }) => new Member({ url, topic, failures }));
  for (const member of members) await member.enter();
  return {
    async run(run) {
      if (run.step === 'drop') {
        await Promise.all(members.map((member) => member.drop()));
        return null;
      }
      for (const reason of Object.keys(failures)) delete failures[reason];
      const beganMs = performance.now();
      const times = await Promise.all(members.map((member, n) => member.comeBack(run.missed[n]!)));
      const seconds = (performance.now() - beganMs) / 1_000;
      await Promise.all(members.map((member) => member.checkNoMore()));
      return {
        ...percentiles(times),
        seconds,
        messages: run.missed.flat().length,
        failures: { ...failures },
      };
    },
  };
}

/** phoenix.js 1.8: how long it waits before it tries again, by how often it has tried. */
const reconnectAfterMs = [10, 50, 100, 150, 200, 250, 500, 1_000, 2_000, 5_000];
const rejoinAfterMs = [1_000, 2_000, 5_000, 10_000];

interface MemberOptions {
  readonly url: string;
  readonly topic: string;
  /** Counts what was refused. */
  readonly failures: Record<string, number>;
}

/** A member in one session, who comes back as an official client does, and remembers what it has seen. */
class Member {
  readonly #options: MemberOptions;
  #socket: ChannelSocket | null = null;
  #closed = Promise.withResolvers<void>();
  #missed = new MissedMessages([]);
  #lastSeq = 0;

  constructor(options: MemberOptions) {
    this.#options = options;
  }

  /** Joins, and sees all that there is. */
  async enter(): Promise<void> {
    await this.#connect();
    const { topic } = this.#options;
    const { last_seq: lastSeq } = await this.#socket!.join(topic);
    this.#lastSeq = lastSeq;
  }

  async drop(): Promise<void> {
    this.#missed.check();
    this.#socket!.close();
    await this.#closed.promise;
  }

  /** Returns after how many ms it had all that it missed. */
  async comeBack(ids: readonly string[]): Promise<number> {
    const beganMs = performance.now();
    const missed = new MissedMessages(ids);
    const seenBefore = this.#lastSeq;
    this.#missed = missed;
    while (!missed.isComplete) {
      await this.#connect();
      await this.#join(seenBefore + missed.received);
      await Promise.race([missed.complete, this.#closed.promise]);
    }
    this.#lastSeq = seenBefore + ids.length;
    return performance.now() - beganMs;
  }

  /** Throws when more came than was missed: whatever was on its way has come before the answer. */
  async checkNoMore(): Promise<void> {
    await this.#socket!.ask('phoenix', 'heartbeat');
    this.#missed.check();
  }

  async #connect(): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      this.#missed.check();
      try {
        this.#closed = Promise.withResolvers();
        const { resolve } = this.#closed;
        this.#socket = await ChannelSocket.open(this.#options.url, {
          onPush: ({ event, payload }) => {
            if (event === 'message') this.#missed.take(payload);
          },
          onClosed: resolve,
        });
        return;
      } catch (error) {
        this.#count((error as Error).message);
        await sleep(reconnectAfterMs[tries] ?? reconnectAfterMs.at(-1));
      }
    }
  }

  /** Ends when it has joined, or the connection is lost. */
  async #join(lastSeq: number): Promise<void> {
    const { topic } = this.#options;
    for (let tries = 0; this.#socket!.isOpen; tries += 1) {
      const { status, response } = await joinAfter(this.#socket!, { topic, lastSeq }, this.#missed);
      if (status === 'ok') return;
      this.#missed.check();
      this.#count(`join ${response?.reason ?? status}`);
      if (status === 'closed') return;
      await sleep(rejoinAfterMs[tries] ?? rejoinAfterMs.at(-1));
    }
  }

  #count(reason: string): void {
    const { failures } = this.#options;
    failures[reason] = (failures[reason] ?? 0) + 1;
  }
}
