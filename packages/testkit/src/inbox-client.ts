import type { InboxConversation } from '@fleetlm/protocol';
import { ChannelClient, type ChannelReply } from './channel-client.ts';

/** What an `update` told, and when it came. */
export interface InboxUpdate {
  readonly conversations: readonly InboxConversation[];
  readonly removed: readonly string[];
  readonly version: number;
  readonly receivedMs: number;
}

/**
 * One socket that follows an inbox, and folds what it is shown the way any client would: a snapshot replaces
 * everything, an update the entries that it names, and what is not newer than the own version is old.
 */
export class InboxClient implements AsyncDisposable {
  readonly topic: string;
  /** Every update that was folded, in order. */
  readonly updates: InboxUpdate[] = [];
  /** How many snapshots were pushed, beside those of joins. */
  snapshots = 0;
  /** `phx_close` or `phx_error` that ended the topic. */
  ended: string | null = null;
  /** Versions that came out of turn: something was lost. */
  readonly gaps: string[] = [];
  readonly #client: ChannelClient;
  #conversations = new Map<string, InboxConversation>();
  #version = 0;
  /** What came before the answer to the join was taken; null once it was. */
  #early: [event: string, payload: InboxPayload][] | null = [];

  /** Connects to `url`, a test server's `socketUrl`. */
  static async open(url: string, participantId: string): Promise<InboxClient> {
    const folded: { by: InboxClient | null } = { by: null };
    const socket = await ChannelClient.open(url, (topic, event, payload) =>
      folded.by?.receive(topic, event, payload),
    );
    const client = new InboxClient(socket, `inbox:${participantId}`);
    folded.by = client;
    return client;
  }

  /** Connects, joins, and throws unless that was ok. */
  static async follow(url: string, participantId: string): Promise<InboxClient> {
    const client = await InboxClient.open(url, participantId);
    const answer = await client.join();
    if (answer.status !== 'ok') throw new Error(`not joined: ${JSON.stringify(answer.response)}`);
    return client;
  }

  private constructor(client: ChannelClient, topic: string) {
    this.#client = client;
    this.topic = topic;
  }

  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#conversations.size;
  }

  /** The view, by session id. */
  get conversations(): readonly InboxConversation[] {
    return [...this.#conversations.values()].sort(bySessionId);
  }

  get(sessionId: string): InboxConversation | undefined {
    return this.#conversations.get(sessionId);
  }

  /** Joins, also again. */
  async join(): Promise<ChannelReply> {
    this.#early = [];
    this.ended = null;
    const answer = await this.#client.join(this.topic);
    if (answer.status === 'ok') this.#replace(answer.response);
    const early = this.#early;
    this.#early = null;
    for (const [event, payload] of early) this.#fold(event, payload);
    return answer;
  }

  leave(): Promise<ChannelReply> {
    return this.#client.push(this.topic, 'phx_leave', {});
  }

  receive(topic: string, event: string, payload: InboxPayload): void {
    if (topic !== this.topic) return;
    if (this.#early) this.#early.push([event, payload]);
    else this.#fold(event, payload);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }

  #fold(event: string, payload: InboxPayload): void {
    if (event === 'phx_close' || event === 'phx_error') this.ended = event;
    if (event === 'snapshot') {
      this.snapshots += 1;
      this.#replace(payload);
    }
    if (event === 'update' && payload.version > this.#version) this.#update(payload);
  }

  #replace({ conversations, version }: InboxPayload): void {
    this.#conversations = new Map(conversations.map((each) => [each.session_id, each]));
    this.#version = version;
  }

  #update({ conversations, removed = [], version }: InboxPayload): void {
    if (version !== this.#version + 1) this.gaps.push(`${this.#version} → ${version}`);
    for (const each of conversations) this.#conversations.set(each.session_id, each);
    for (const sessionId of removed) this.#conversations.delete(sessionId);
    this.#version = version;
    this.updates.push({ conversations, removed, version, receivedMs: performance.now() });
  }
}

interface InboxPayload {
  readonly conversations: readonly InboxConversation[];
  readonly removed?: readonly string[];
  readonly version: number;
}

function bySessionId(one: InboxConversation, other: InboxConversation): number {
  return one.session_id < other.session_id ? -1 : 1;
}
