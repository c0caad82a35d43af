import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChannelSocket, type Push, type Reply } from './channel-socket.ts';
import type { OnEnd } from './closed-loop.ts';
import type { Member } from './member.ts';
import { sampleText } from './sample-text.ts';

/** A message that nobody refuses is back by then, however full the machine is. */
const returnMs = 10_000;
/** A server that answers sends does so before it tells all others, or soon after. */
const replyMs = 500;

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

  static async open({ url, topic }: Member): Promise<Sender> {
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
    const returned = Promise.withResolvers<true>();
    const replied = Promise.withResolvers<true>();
    const id = this.#nextId();
    this.#unseen.set(id, () => returned.resolve(true));
    this.#push(id, (reply) => {
      if (failureOf(reply) === undefined) replied.resolve(true);
      else returned.reject(new Error(`the server refused a message: ${JSON.stringify(reply)}`));
    });
    const hasReturned = await Promise.race([returned.promise, unlessWithin(returnMs)]);
    if (!hasReturned) throw new Error(`a message to ${this.#topic} did not come back to its sender`);
    this.#repliesToSends = await Promise.race([replied.promise, unlessWithin(replyMs)]);
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

/** Nobody waits for it in the end. */
function unlessWithin(ms: number): Promise<false> {
  return sleep(ms, false as const, { ref: false });
}

function failureOf({ status, response }: Reply): string | undefined {
  return status === 'ok' ? undefined : String(response?.reason ?? status);
}
