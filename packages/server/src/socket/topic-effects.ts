import {
  type ClientFrame,
  type JsonObject,
  type Ref,
  type ReplyStatus,
  toErrorReply,
  type WireError,
  wireError,
} from '@fleetlm/protocol';

/**
 * One join of a topic, from its `open` effect until it is over. Only the table changes its phase:
 * `joining` → `running` (a channel call is under way) ⇄ `idle` → `over`.
 */
export interface Join<Channel, Output> {
  readonly topic: string;
  /** As the client sent it: what replies to the join, `phx_close` and `phx_error` carry. */
  readonly joinRef: Ref;
  readonly ref: Ref;
  /** `joinRef ?? ref`: what pushes and the replies to pushes carry. */
  readonly channelRef: Ref;
  readonly phase: 'joining' | 'running' | 'idle' | 'over';
  /** The channel was told to settle, for the frame that waits first: that may be taken next. */
  readonly isSettling: boolean;
  /** For the shell, to keep the real channel in; the table never looks at it. */
  channel: Channel | null;
  /** The join that this one replaced: its `phx_close` is owed right after this one's reply. */
  readonly replaced: Pick<Join<Channel, Output>, 'topic' | 'joinRef'> | null;
  /** What the channel sent before its join reply. */
  readonly held: Held<Output>[];
}

/** What the shell must do, in order. A call into a channel is the last effect of its list. */
export type Effect<Channel, Output> =
  | { readonly kind: 'open'; readonly join: Join<Channel, Output>; readonly payload: JsonObject }
  | { readonly kind: 'joined'; readonly join: Join<Channel, Output> }
  | {
      readonly kind: 'handle';
      readonly join: Join<Channel, Output>;
      readonly event: string;
      readonly payload: JsonObject;
      readonly ref: Ref;
    }
  | { readonly kind: 'settle'; readonly join: Join<Channel, Output> }
  | { readonly kind: 'leave'; readonly join: Join<Channel, Output> }
  | {
      readonly kind: 'reply';
      readonly joinRef: Ref;
      readonly ref: Ref;
      readonly topic: Ref;
      readonly status: ReplyStatus;
      readonly responseJson: string;
    }
  | {
      readonly kind: 'end';
      readonly event: 'phx_close' | 'phx_error';
      readonly joinRef: Ref;
      readonly topic: string;
      readonly payloadJson: string;
    }
  | { readonly kind: 'send'; readonly output: Output };

export type Effects<Channel, Output> = readonly Effect<Channel, Output>[];

/** How the channel ended its topic. */
export type Ending = 'close' | 'crash';

/** What a channel did before its join reply. */
export type Held<Output> = { readonly output: Output } | Ending;

/** What an answer echoes. */
export type Asked = Pick<ClientFrame, 'ref' | 'topic'>;

/** Stands for the payload of a binary frame: known to be there, never read. */
export const binaryPayload: unique symbol = Symbol('binary payload');

export function reply(joinRef: Ref, asked: Asked, status: ReplyStatus, responseJson: string): ReplyEffect {
  return { kind: 'reply', joinRef, ref: asked.ref, topic: asked.topic, status, responseJson };
}

export function replyTo(
  join: Join<unknown, unknown>,
  status: ReplyStatus,
  responseJson: string,
): ReplyEffect {
  return reply(join.joinRef, join, status, responseJson);
}

export function errorReply(asked: Asked, joinRef: Ref, error: WireError): ReplyEffect {
  return reply(joinRef, asked, 'error', JSON.stringify(toErrorReply(error)));
}

export function unmatched(asked: Asked): ReplyEffect {
  return reply(null, asked, 'error', '{"reason":"unmatched topic"}');
}

export function heartbeatReply(asked: Asked): ReplyEffect {
  return reply(null, asked, 'ok', '{}');
}

export function payloadError(payload: unknown): WireError {
  return payload === binaryPayload
    ? wireError('binary_unsupported')
    : wireError('invalid_request', 'The payload must be an object');
}

export function endingFrame(
  { joinRef, topic }: Pick<Join<unknown, unknown>, 'topic' | 'joinRef'>,
  ending: Ending,
): EndEffect {
  return ending === 'close'
    ? { kind: 'end', event: 'phx_close', joinRef, topic, payloadJson: '{}' }
    : { kind: 'end', event: 'phx_error', joinRef, topic, payloadJson: '{"reason":"channel_crash"}' };
}

/** The close of the join that this one replaced comes right after this one's reply, whatever that says. */
export function closeOwedBy(join: Join<unknown, unknown>): EndEffect[] {
  return join.replaced === null ? [] : [endingFrame(join.replaced, 'close')];
}

type ReplyEffect = Extract<Effect<never, never>, { kind: 'reply' }>;
type EndEffect = Extract<Effect<never, never>, { kind: 'end' }>;
