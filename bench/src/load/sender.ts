import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChannelSocket, type Push, type Reply } from './channel-socket.ts';
import type { OnEnd } from './closed-loop.ts';

/** A socket of a member, and the topic of its session. */
export interface SenderOrder {
  readonly url: string;
  readonly topic: string;
}

/** What people write to each other: most chat messages are shorter. */
export const sampleText =
  'Shall we meet at ten past eight in front of the old station, or is that too early?';

/** A server that answers sends has answered the first of them by then. */
const probeMs = 2_000;

/**
 * A member who sends, and sees its own messages come back. A message counts as acknowledged when its reply is
 * there; with a server that replies to no `send`, when its broadcast is.
 */
export class Sender {
  /** Messages that came, repeated ones once. */
  received = 0;
  readonly #topic: string;
  /** Tells this sender's messages from all others of their session. */
  readonly #prefix = randomBytes(6).toString('hex');
  readonly #seen = new Set<string>();
  readonly #unseen = new Map<string, OnEnd>();
  #client!: ChannelSocket;
  #repliesToSends = true;
  #sent = 0;

  static async open({ url, topic }: SenderOrder): Promise<Sender> {
    const sender = new Sender(topic);
    sender.#client = await ChannelSocket.open(url, { onPush: (push) => sender.#receive(push) });
    await sender.#client.join(topic);
    await sender.#probe();
    return sender;
  }

  private constructor(topic: string) {
    this.#topic = topic;
  }

  send(onEnd: OnEnd): void {
    const id = this.#nextId();
    if (this.#repliesToSends) this.#push(id, (reply) => onEnd(failureOf(reply)));
    else {
      this.#unseen.set(id, onEnd);
      this.#push(id);
    }
  }

  /** Forgets which messages it has seen: none of them comes again once all have come. */
  forget(): void {
    this.received = 0;
    this.#seen.clear();
  }

  /** Sends one message to learn how this server acknowledges. */
  async #probe(): Promise<void> {
    const replied = Promise.withResolvers<'reply'>();
    const seen = Promise.withResolvers<void>();
    const id = this.#nextId();
    this.#unseen.set(id, () => seen.resolve());
    this.#push(id, (reply) => {
      const failure = failureOf(reply);
      if (failure === undefined) replied.resolve('reply');
      else replied.reject(new Error(`the server refused a message: ${JSON.stringify(reply)}`));
    });
    const first = await Promise.race([replied.promise, sleep(probeMs, null)]);
    this.#repliesToSends = first === 'reply';
    const isSeen = await Promise.race([seen.promise.then(() => true), sleep(probeMs, false)]);
    if (!isSeen) throw new Error(`a message to ${this.#topic} did not come back to its sender`);
  }

  #push(id: string, onReply?: (reply: Reply) => void): void {
    const content = `{"kind":"text","content":{"text":"${sampleText}","n":"${id}"}}`;
    this.#client.push(this.#topic, 'send', `{"content":${content},"client_id":"${id}"}`, onReply);
  }

  #nextId(): string {
    this.#sent += 1;
    return `${this.#prefix}-${this.#sent}`;
  }

  #receive({ topic, event, payload }: Push): void {
    if (event !== 'message' || topic !== this.#topic || this.#seen.has(payload.id)) return;
    this.#seen.add(payload.id);
    this.received += 1;
    const id = payload.content?.n;
    const onEnd = this.#unseen.get(id);
    if (onEnd === undefined) return;
    this.#unseen.delete(id);
    onEnd();
  }
}

function failureOf({ status, response }: Reply): string | undefined {
  return status === 'ok' ? undefined : String(response?.reason ?? status);
}
