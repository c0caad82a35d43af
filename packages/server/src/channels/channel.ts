import type { JsonObject, WireError } from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import type { Result } from '../lib/result.ts';
import type { Trace } from '../observability/tracing.ts';
import type { Broadcast } from '../pubsub/broadcast.ts';

/**
 * What a channel can do to its client. The socket gives one to each channel; after the topic is closed, every
 * call on it does nothing.
 */
export interface ChannelPort {
  /** An event for this client alone. */
  push(event: string, payloadJson: string): void;
  /** An event that others get too: its bytes are shared. */
  deliver(broadcast: Broadcast): void;
  /**
   * Resolves once the socket has little left to write. Rejects when the topic is closed, at the latest when the
   * socket has drained or is gone.
   */
  drained(): Promise<void>;
  /** Ends the topic with `phx_close`: the client does not come back by itself. */
  close(): void;
  /** Ends the topic with `phx_error`: the client joins again. */
  crash(error: unknown): void;
}

/** Answers one push, exactly once. */
export interface Reply {
  /** Of the push that it answers. */
  readonly trace: Trace | null;
  ok(responseJson: string): void;
  error(error: WireError): void;
}

/**
 * One joined topic of one socket. The socket calls `join` once; if that is ok it sends the reply, calls
 * `joined`, and hands over the client's pushes one after the other: the next one only after the promise
 * that `handle` returned, if it did, is settled. When the client leaves or joins anew it calls `settle`, then
 * `leave`; before a push that it answers itself it calls `settle` alone. `leave` is called exactly once for every channel that was created, also when the join failed or threw;
 * once joined, the port's `close` and `crash` call it before they return. A method that throws crashes the
 * channel and nothing else.
 */
export interface Channel {
  /** Whether the topic may be joined; the value is the reply's response as JSON text. */
  join(payload: JsonObject): Promise<Result<string>>;
  /** The join reply is on its way: pushes may follow. */
  joined(): void;
  handle(event: string, payload: JsonObject, reply: Reply): void | Promise<void>;
  /** Everything that was handed over so far is answered. A channel that ends meanwhile need not finish it. */
  settle(): void | Promise<void>;
  leave(): void;
}

/** Makes a principal's channel for a topic, or null when no channel serves such a topic. */
export type OpenChannel = (principal: Principal, topic: string, port: ChannelPort) => Channel | null;
