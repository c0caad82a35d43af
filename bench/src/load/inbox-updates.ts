import { type Percentiles, percentiles } from '../statistics.ts';
import { ChannelSocket, type Push } from './channel-socket.ts';
import type { Follower } from './join.ts';
import type { Load, TimedRun } from './load.ts';
import type { Member } from './member.ts';
import { sampleText } from './sample-text.ts';

export interface InboxUpdatesOrder {
  readonly inboxes: readonly FollowedInbox[];
}

/** An inbox that a socket follows, and who sends to its sessions. */
export interface FollowedInbox extends Member {
  readonly senders: readonly Follower[];
}

export interface InboxUpdatesRun extends TimedRun {
  /** Which inboxes, in turn. */
  readonly inboxes: readonly number[];
  /** Sent at once, each to another session; the next ones when all of them are in the inbox. */
  readonly messages: number;
}

export interface InboxUpdatesResult {
  /** Of each inbox of the run: from the last acknowledgement to the update that completes it, in ms. */
  readonly times: readonly Percentiles[];
  /** Messages. */
  readonly count: number;
}

/** A server updates an inbox within a tenth of a second, or so; a machine that is full may take longer. */
const updateTimeoutMs = 15_000;

/** Others write to people who look at their inboxes. */
export async function openInboxUpdates({
  inboxes: orders,
}: InboxUpdatesOrder): Promise<Load<InboxUpdatesRun, InboxUpdatesResult>> {
  const inboxes: Inbox[] = [];
  for (const order of orders) inboxes.push(await Inbox.open(order));
  return {
    async run({ seconds, inboxes: chosen, messages }) {
      const times = chosen.map(() => [] as number[]);
      const endMs = performance.now() + seconds * 1_000;
      do {
        for (const [index, n] of chosen.entries()) times[index]!.push(await inboxes[n]!.receive(messages));
      } while (performance.now() < endMs);
      return { times: times.map(percentiles), count: times.flat().length * messages };
    },
  };
}

/** One who follows, and those who write. An inbox shows a message as the last one of its session. */
class Inbox {
  readonly #topic: string;
  readonly #targets: { readonly socket: ChannelSocket; readonly topic: string }[] = [];
  /** Messages that it has shown since the last ones were sent, and those that it must show. */
  readonly #shown = new Set<string>();
  #awaited: readonly string[] = [];
  #complete = Promise.withResolvers<void>();
  #version = 0;
  #sent = 0;

  /** Follows the inbox, and joins all of the sessions. */
  static async open(order: FollowedInbox): Promise<Inbox> {
    const inbox = new Inbox(order.topic);
    for (const { url, topics } of order.senders) {
      const socket = await ChannelSocket.open(url);
      for (const topic of topics) {
        await socket.join(topic);
        inbox.#targets.push({ socket, topic });
      }
    }
    const follower = await ChannelSocket.open(order.url, { onPush: (push) => inbox.#update(push) });
    inbox.#version = (await follower.join(order.topic)).version;
    return inbox;
  }

  private constructor(topic: string) {
    this.#topic = topic;
  }

  /**
   * Sends to the next sessions. Returns how long after their acknowledgement the inbox showed all of them.
   */
  async receive(count: number): Promise<number> {
    this.#shown.clear();
    this.#complete = Promise.withResolvers();
    const { promise, resolve, reject } = this.#complete;
    this.#awaited = await Promise.all(Array.from({ length: count }, () => this.#send()));
    const acknowledgedMs = performance.now();
    if (this.#showsAll) resolve();
    const timer = setTimeout(
      () => reject(new Error(`${this.#topic} shows ${this.#shown.size} of ${count} messages`)),
      updateTimeoutMs,
    );
    await promise.finally(() => clearTimeout(timer));
    this.#awaited = [];
    return performance.now() - acknowledgedMs;
  }

  get #showsAll(): boolean {
    return this.#awaited.length > 0 && this.#awaited.every((id) => this.#shown.has(id));
  }

  /** Returns the id of the message. */
  async #send(): Promise<string> {
    const { socket, topic } = this.#targets[this.#sent % this.#targets.length]!;
    this.#sent += 1;
    const { status, response } = await socket.ask(topic, 'send', {
      content: { kind: 'text', content: { text: sampleText } },
    });
    if (status === 'ok') return response.message.id;
    throw new Error(`a message to ${topic} was refused: ${JSON.stringify(response)}`);
  }

  #update({ topic, payload }: Push): void {
    if (topic !== this.#topic) return;
    const { conversations, version } = payload;
    if (!(version > this.#version)) throw new Error(`version ${version} came after ${this.#version}`);
    this.#version = version;
    for (const { last_message_id: id } of conversations) this.#shown.add(id);
    if (this.#showsAll) this.#complete.resolve();
  }
}
