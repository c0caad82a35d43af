import { setTimeout as sleep } from 'node:timers/promises';
import { type Percentiles, percentiles } from '../statistics.ts';
import { ChannelSocket } from './channel-socket.ts';
import { countFailure, type Failures } from './failures.ts';
import { joinAfter } from './join-after.ts';
import type { Load } from './load.ts';
import type { Member } from './member.ts';
import { MissedMessages } from './missed-messages.ts';

export interface ReconnectOrder {
  /** One socket each. */
  readonly members: readonly Member[];
}

/** What each of them has missed since it went. */
export interface ReconnectRun {
  readonly missed: readonly (readonly string[])[];
}

/** The percentiles are of each one's time until it had caught up, in ms. */
export interface ReconnectResult extends Percentiles {
  /** Until the last one had. */
  readonly seconds: number;
  readonly messages: number;
  /** Handshakes and joins that were refused, and tried again as official clients do. */
  readonly failures: Failures;
}

/** Sockets that are all lost, all come back at the same moment, and are lost again. */
export async function openReconnect({
  members: orders,
}: ReconnectOrder): Promise<Load<ReconnectRun, ReconnectResult>> {
  const members = orders.map((order) => new ReturningMember(order));
  for (const member of members) await member.enter();
  await dropAll(members);
  return {
    async run({ missed }) {
      const failures: Record<string, number> = {};
      const beganMs = performance.now();
      const times = await Promise.all(members.map((member, n) => member.comeBack(missed[n]!, failures)));
      const seconds = (performance.now() - beganMs) / 1_000;
      await Promise.all(members.map((member) => member.checkNoMore()));
      await dropAll(members);
      return { ...percentiles(times), seconds, messages: missed.flat().length, failures };
    },
  };
}

async function dropAll(members: readonly ReturningMember[]): Promise<void> {
  await Promise.all(members.map((member) => member.drop()));
}

/** phoenix.js 1.8: how long it waits before it tries again, by how often it has tried. */
const reconnectAfterMs = [10, 50, 100, 150, 200, 250, 500, 1_000, 2_000, 5_000];
const rejoinAfterMs = [1_000, 2_000, 5_000, 10_000];

/** A member who comes back as an official client does, and remembers what it has seen. */
class ReturningMember {
  readonly #order: Member;
  /** Of this return. */
  #failures: Record<string, number> = {};
  #socket: ChannelSocket | null = null;
  #closed = Promise.withResolvers<void>();
  #missed = new MissedMessages([]);
  #lastSeq = 0;

  constructor(order: Member) {
    this.#order = order;
  }

  /** Joins, and sees all that there is. */
  async enter(): Promise<void> {
    await this.#connect();
    this.#lastSeq = (await this.#socket!.join(this.#order.topic)).last_seq;
  }

  async drop(): Promise<void> {
    this.#missed.check();
    this.#socket!.close();
    await this.#closed.promise;
  }

  /** Returns after how many ms it had all that it missed; what was refused counts as a failure. */
  async comeBack(ids: readonly string[], failures: Record<string, number>): Promise<number> {
    const beganMs = performance.now();
    this.#failures = failures;
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
        this.#socket = await this.#openSocket();
        return;
      } catch (error) {
        countFailure(this.#failures, (error as Error).message);
        await sleep(reconnectAfterMs[tries] ?? reconnectAfterMs.at(-1));
      }
    }
  }

  #openSocket(): Promise<ChannelSocket> {
    this.#closed = Promise.withResolvers();
    return ChannelSocket.open(this.#order.url, {
      onPush: ({ event, payload }) => {
        if (event === 'message') this.#missed.take(payload);
      },
      onClosed: this.#closed.resolve,
    });
  }

  /** Ends when it has joined, or the connection is lost. */
  async #join(lastSeq: number): Promise<void> {
    const { topic } = this.#order;
    for (let tries = 0; this.#socket!.isOpen; tries += 1) {
      const { status, response } = await joinAfter(this.#socket!, { topic, lastSeq }, this.#missed);
      if (status === 'ok') return;
      this.#missed.check();
      countFailure(this.#failures, `join ${response?.reason ?? status}`);
      if (status === 'closed') return;
      await sleep(rejoinAfterMs[tries] ?? rejoinAfterMs.at(-1));
    }
  }
}
