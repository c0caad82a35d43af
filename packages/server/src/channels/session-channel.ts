import {
  historyPayloadSchema,
  type JsonObject,
  joinPayloadSchema,
  parseShape,
  readPayloadSchema,
  type SessionId,
  sendPayloadSchema,
  stopPayloadSchema,
  wireError,
} from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import type { ReadCursor } from '../conversation/read-cursor.ts';
import type { StoredMessage } from '../conversation/stored-message.ts';
import type { Appended } from '../gateway/append-request.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { HistoryPage, JoinedSession } from '../gateway/message-calls.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import type { Broadcast } from '../pubsub/broadcast.ts';
import type { FeedReader, SessionFeed } from '../sessions/session-feed.ts';
import type { Channel, ChannelPort, Reply } from './channel.ts';

export interface SessionChannelOptions {
  readonly gateway: Gateway;
  readonly principal: Principal;
  /** Null: the topic names nothing that can be a session. */
  readonly sessionId: SessionId | null;
  readonly port: ChannelPort;
}

/** A `send` whose answer is due: it has its result, or waits for its commit. */
interface PendingSend {
  readonly reply: Reply;
  result: Result<Appended> | null;
}

/**
 * `session:<id>`: one client in one session. It follows the session by a feed from its join on. Many `send`s may
 * be in flight: their lane keeps their order, and their answers are given in it, also of those that are refused
 * at once. Every other event is answered after them.
 */
export class SessionChannel implements Channel, FeedReader {
  readonly #options: SessionChannelOptions;
  #feed: SessionFeed | null = null;
  /** Where the feed starts. */
  #cursor = 0;
  #hasLeft = false;
  /** Sends that are not answered yet, in order, and who waits for the last of them. */
  readonly #sending: PendingSend[] = [];
  /** Set while a sender is looked up: the sends behind it wait to be handed on. */
  #handedOn: Promise<void> | null = null;
  #allSent: PromiseWithResolvers<void> | null = null;

  constructor(options: SessionChannelOptions) {
    this.#options = options;
  }

  async join(payload: JsonObject): Promise<Result<string>> {
    const parsed = parseShape(joinPayloadSchema, payload);
    if (!parsed.ok) return fail(parsed.error);
    const { gateway, principal, sessionId } = this.#options;
    const { last_seq: lastSeq = null, limit } = parsed.value;
    const result = await gateway.messages.join(principal, sessionId, { lastSeq, limit }, this);
    if (!result.ok) return result;
    const { feed, cursor } = result.value;
    // Nothing else of the page and the session's row: it would stay as long as the topic is joined.
    this.#feed = feed;
    this.#cursor = cursor;
    if (this.#hasLeft) feed.end();
    return ok(encodeJoinReply(result.value));
  }

  joined(): void {
    this.#feed?.start(this.#cursor);
  }

  handle(event: string, payload: JsonObject, reply: Reply): void | Promise<void> {
    switch (event) {
      case 'send':
        return this.#send(payload, reply);
      case 'history':
        return this.#history(payload, reply);
      case 'read':
        return this.#read(payload, reply);
      case 'stop':
        return this.#stop(payload, reply);
      default:
        return this.#afterSends(() =>
          reply.error(wireError('unknown_event', `there is no event "${event}"`)),
        );
    }
  }

  settle(): void | Promise<void> {
    if (this.#sending.length === 0) return undefined;
    this.#allSent ??= Promise.withResolvers();
    return this.#allSent.promise;
  }

  leave(): void {
    this.#hasLeft = true;
    this.#feed?.end();
  }

  push(message: StoredMessage): void {
    this.#options.port.push('message', message.json);
  }

  deliver(broadcast: Broadcast): void {
    this.#options.port.deliver(broadcast);
  }

  drained(): Promise<void> {
    return this.#options.port.drained();
  }

  failed(error: unknown): void {
    this.#options.port.crash(error);
  }

  revoked(): void {
    this.#options.port.close();
  }

  #send(payload: JsonObject, reply: Reply): void | Promise<void> {
    const parsed = parseShape(sendPayloadSchema, payload);
    if (!parsed.ok) return this.#afterSends(() => reply.error(parsed.error));
    const { gateway, principal, sessionId } = this.#options;
    const { content: input, sender_id: senderId = null, client_id: clientId = null } = parsed.value;
    const { trace } = reply;
    const send: PendingSend = { reply, result: null };
    this.#sending.push(send);
    this.#handOn(() =>
      gateway.messages.append(
        principal,
        { sessionId: sessionId!, senderId, clientId, input, trace },
        (result) => {
          send.result = result;
          this.#answerSends();
        },
      ),
    );
  }

  #history(payload: JsonObject, reply: Reply): void | Promise<void> {
    const parsed = parseShape(historyPayloadSchema, payload);
    if (!parsed.ok) return this.#afterSends(() => reply.error(parsed.error));
    const { gateway, principal, sessionId } = this.#options;
    const { after_seq: afterSeq, before_seq: beforeSeq, limit } = parsed.value;
    const range = { afterSeq, beforeSeq, limit };
    return this.#afterSends(async () => {
      const result = await gateway.messages.history(principal, sessionId, range);
      if (result.ok) reply.ok(encodeHistoryReply(result.value));
      else reply.error(result.error);
    });
  }

  #read(payload: JsonObject, reply: Reply): void | Promise<void> {
    const parsed = parseShape(readPayloadSchema, payload);
    if (!parsed.ok) return this.#afterSends(() => reply.error(parsed.error));
    const { gateway, principal, sessionId } = this.#options;
    const { participant_id: named, message_id: messageId, seq } = parsed.value;
    return this.#afterSends(async () => {
      const result = await gateway.reads.mark(principal, sessionId, { named, messageId, seq });
      if (result.ok) reply.ok(encodeReadReply(result.value));
      else reply.error(result.error);
    });
  }

  #stop(payload: JsonObject, reply: Reply): void | Promise<void> {
    const parsed = parseShape(stopPayloadSchema, payload);
    if (!parsed.ok) return this.#afterSends(() => reply.error(parsed.error));
    const { gateway, principal, sessionId } = this.#options;
    return this.#afterSends(async () => {
      const result = await gateway.streams.stop(principal, sessionId, parsed.value.stream_id ?? null);
      if (result.ok) reply.ok(JSON.stringify({ stopped: result.value }));
      else reply.error(result.error);
    });
  }

  /** One after the other, so that the service's messages of several senders keep their order too. */
  #handOn(append: () => void | Promise<void>): void {
    const pending = this.#handedOn === null ? append() : this.#handedOn.then(append);
    if (!pending) return;
    const handedOn = pending.then(
      () => {
        if (this.#handedOn === handedOn) this.#handedOn = null;
      },
      (error: unknown) => this.#options.port.crash(error),
    );
    this.#handedOn = handedOn;
  }

  /** Runs when every send before it is answered. */
  #afterSends(answer: () => void | Promise<void>): void | Promise<void> {
    const settled = this.settle();
    return settled ? settled.then(answer) : answer();
  }

  /**
   * Answers as far as results have come without a gap. One that is stored never waits here for an earlier one:
   * the lane has settled that first, so that no reply comes after its own broadcast.
   */
  #answerSends(): void {
    for (let next = this.#sending[0]; next?.result; next = this.#sending[0]) {
      this.#sending.shift();
      if (next.result.ok) next.reply.ok(encodeSendReply(next.result.value));
      else next.reply.error(next.result.error);
    }
    if (this.#sending.length > 0) return;
    this.#allSent?.resolve();
    this.#allSent = null;
  }
}

function encodeJoinReply({ session, messages, lastSeq, streams }: JoinedSession): string {
  const sessionJson = JSON.stringify(session);
  return `{"session_id":"${session.id}","session":${sessionJson},"messages":[${joinJson(messages)}],"last_seq":${lastSeq},"streams":[${streams.join(',')}]}`;
}

function encodeSendReply({ message, deduplicated }: Appended): string {
  const { id, seq, insertedAt, clientId } = message.fields;
  const key = clientId === null ? '' : `,"client_id":${JSON.stringify(clientId)}`;
  return `{"message":{"id":"${id}","seq":${seq},"inserted_at":"${insertedAt}"${key}},"deduplicated":${deduplicated}}`;
}

function encodeHistoryReply({ messages, hasMoreBefore, hasMoreAfter }: HistoryPage): string {
  return `{"messages":[${joinJson(messages)}],"has_more_before":${hasMoreBefore},"has_more_after":${hasMoreAfter}}`;
}

function encodeReadReply({ last_read_seq, unread_count }: ReadCursor): string {
  return JSON.stringify({ last_read_seq, unread_count });
}

function joinJson(messages: readonly StoredMessage[]): string {
  return messages.map((message) => message.json).join(',');
}
