import type { Duplex } from 'node:stream';
import { type ClientFrame, decodeBinaryPush, type Serializer, wireError } from '@fleetlm/protocol';
import type { RawData, WebSocket } from 'ws';
import type { ParticipantRates } from '../auth/participant-rates.ts';
import type { Principal } from '../auth/principal.ts';
import type { Channel, OpenChannel } from '../channels/channel.ts';
import type { Config } from '../config/config.ts';
import type { Log } from '../lib/log.ts';
import { unreachable } from '../lib/unreachable.ts';
import { encodeTextFrame } from '../lib/websocket-frame.ts';
import type { JoinResult } from '../observability/labels.ts';
import type { Metrics } from '../observability/metrics.ts';
import { TokenBucket } from '../runtime/token-bucket.ts';
import { closeCodeOf } from './close-code.ts';
import type { Flusher } from './flusher.ts';
import { SendQueue } from './send-queue.ts';
import { binaryPayload, type Ending, errorReply } from './topic-effects.ts';
import {
  type ChannelEffect,
  type ChannelEffects,
  type ChannelJoin,
  type PortOwner,
  PushReply,
  TopicPort,
} from './topic-port.ts';
import { TopicTable } from './topic-table.ts';

export interface ConnectionOptions {
  readonly id: string;
  readonly ws: WebSocket;
  /** The raw socket below `ws`: what the send queue writes to. */
  readonly socket: Duplex;
  readonly serializer: Serializer;
  readonly principal: Principal;
  readonly openChannel: OpenChannel;
  readonly limits: Config['sockets'];
  readonly rates: ParticipantRates;
  /** The time between two sweeps. */
  readonly sweepMs: number;
  readonly flusher: Flusher;
  readonly metrics: Metrics;
  readonly log: Log;
  /** The socket is gone and every channel has left. Called once. */
  readonly onClosed: (connection: Connection) => void;
}

/** Why the server closes a socket. Never 1000: phoenix 1.7 would not come back. */
export interface CloseReason {
  readonly code: 1001 | 1002 | 1007 | 1008 | 1011 | 1012 | 4001 | 4008 | 4009;
  readonly reason: string;
}

export const slowConsumer: CloseReason = { code: 4008, reason: 'slow_consumer' };

/**
 * One connected client.
 *
 * Owns the WebSocket, its send queue and its topics. States: open → closing (channels have left, a close frame
 * is out, ws destroys the socket if the peer does not answer) → closed. Frames come from ws, channels come from
 * `openChannel`, decisions from the topic table; this class performs them and keeps what throws from spreading.
 * Created and swept by the SocketServer.
 */
export class Connection implements PortOwner {
  readonly principal: Principal;
  readonly serializer: Serializer;
  readonly table: TopicTable<Channel, Buffer>;
  readonly queue: SendQueue;
  readonly #options: ConnectionOptions;
  #isClosing = false;
  /** With which code the server has closed it; null: the client did, or nobody yet. */
  #closeCode: number | null = null;
  #framesSeen = 0;
  /** Runs out with each frame or message that came too fast. */
  #patience: TokenBucket | null = null;
  #isOffender = false;
  #expiry: NodeJS.Timeout | null = null;
  #activity: { readonly framesSeen: number; readonly sinceMs: number } | null = null;

  constructor(options: ConnectionOptions) {
    const { ws, socket, flusher, limits } = options;
    this.#options = options;
    this.principal = options.principal;
    this.serializer = options.serializer;
    this.table = new TopicTable({
      maxTopics: limits.maxTopics,
      maxPendingFrames: limits.maxPendingFrames,
      // What one socket may hold of the server's memory is the same in both directions.
      maxPendingBytes: limits.maxQueuedBytes,
    });
    this.queue = new SendQueue({
      socket,
      flusher,
      limits,
      isOpen: () => ws.readyState === ws.OPEN,
      onSlow: () => this.close(slowConsumer),
    });
    ws.on('message', (data, isBinary) => this.#receive(data, isBinary));
    ws.on('ping', () => {
      this.#framesSeen += 1;
    });
    // A broken frame or socket: ws has sent its close frame, or there is nothing to send it to.
    ws.on('error', (error) => this.#onError(error));
    ws.on('close', (code) => this.#onClosed(code));
    this.#watchExpiry();
  }

  /** Ends every channel and sends what waits, then a close frame. A slow reader gets only the close frame. */
  close({ code, reason }: CloseReason): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#closeCode = code;
    this.#run(this.table.endAll());
    if (code === 4008) this.queue.close();
    else this.queue.finish();
    this.#options.ws.close(code, reason);
    this.#log('debug', { code, reason }, 'socket closed by the server');
  }

  terminate(): void {
    this.#options.ws.terminate();
  }

  /** Closes a client that has been silent for too long, or does not read. */
  sweep(nowMs: number): void {
    if (this.#isClosing) return;
    this.#watchExpiry();
    this.queue.sweep(nowMs);
    if (this.#activity === null || this.#activity.framesSeen !== this.#framesSeen) {
      this.#activity = { framesSeen: this.#framesSeen, sinceMs: nowMs };
    } else if (nowMs - this.#activity.sinceMs >= this.#options.limits.idleMs) {
      this.close({ code: 4009, reason: 'no_heartbeat' });
    }
  }

  /** A port's `close` and `crash`. */
  end(join: ChannelJoin, ending: Ending, error?: unknown): void {
    if (ending === 'crash' && join.phase !== 'over') this.#logCrash(join, error);
    this.#run(this.table.end(join, ending));
  }

  /**
   * A timer, but only for a token that is over before the next sweep: it ends on time (I32), a day's token costs
   * no timer for a day, and a clock that was set right is noticed.
   */
  #watchExpiry(): void {
    const { expiresAtMs } = this.principal;
    if (expiresAtMs === undefined || this.#expiry !== null) return;
    const leftMs = expiresAtMs - Date.now();
    if (leftMs <= this.#options.sweepMs) {
      this.#expiry = setTimeout(() => this.#expire(), Math.max(leftMs, 0));
    }
  }

  /** Tells every topic, and closes. What is not written by now is not delivered: the client comes back by cursor. */
  #expire(): void {
    if (this.#isClosing) return;
    this.queue.discard();
    for (const { topic, channelRef } of this.table.joined()) {
      this.#send(this.serializer.push(channelRef, null, topic, 'token_expired', '{}'));
    }
    this.close(tokenExpired);
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#isClosing) return;
    this.#framesSeen += 1;
    this.#options.metrics.frameReceived();
    try {
      // ws hands over one Buffer with its default `binaryType`.
      const bytes = data as Buffer;
      const frame = isBinary ? decodeBinary(bytes) : this.serializer.decode(bytes.toString());
      if (frame === null) this.close(isBinary ? truncatedBinary : malformedFrame);
      else if (this.#options.rates.mayCall(this.principal))
        this.#run(this.table.receive(frame, bytes.length));
      else this.#refuse(frame);
      if (this.#isOffender) this.#silence();
    } catch (error) {
      this.#log('error', { err: error }, 'socket failed');
      this.close({ code: 1011, reason: 'internal_error' });
    }
  }

  /** The frame came too fast: its sender is told so, and nothing else comes of it. */
  #refuse(frame: ClientFrame): void {
    this.#perform(errorReply(frame, frame.joinRef, tooFast));
    this.tooFast();
  }

  /** Told for each answer `rate_limited`, also by channels, which must not be left in the middle of one. */
  tooFast(): void {
    this.#options.metrics.rateLimited('frame');
    const nowMs = performance.now();
    this.#patience ??= new TokenBucket(patience, nowMs);
    this.#isOffender ||= !this.#patience.take(nowMs);
  }

  /** Closes, and reads no more of what the client has sent already: it would be answered for as long as it goes on. */
  #silence(): void {
    const { ws, socket } = this.#options;
    this.close({ code: 1008, reason: 'rate_limited' });
    ws.pause();
    // Its answer to the close frame is not read either.
    socket.end();
  }

  #onError(error: Error): void {
    this.#isClosing = true;
    this.#closeCode ??= closeCodeOf(error);
    this.#run(this.table.endAll());
    this.queue.close();
    this.#log('debug', { err: error }, 'socket broken');
  }

  #onClosed(code: number): void {
    this.#isClosing = true;
    const { metrics } = this.#options;
    if (this.#closeCode === null) metrics.connectionClosed('client', code);
    else metrics.connectionClosed('server', this.#closeCode);
    if (this.#expiry !== null) clearTimeout(this.#expiry);
    this.#run(this.table.endAll());
    this.queue.close();
    this.#options.onClosed(this);
  }

  /** Each channel call may bring the next effects; a loop, so that many waiting frames do not nest. */
  #run(effects: ChannelEffects): void {
    for (let current = effects; current.length > 0; ) {
      let next: ChannelEffects = [];
      for (const effect of current) next = this.#perform(effect);
      current = next;
    }
  }

  /** The effects that follow from this one; only the last of a list has any. */
  #perform(effect: ChannelEffect): ChannelEffects {
    switch (effect.kind) {
      case 'open':
        return this.#open(effect);
      case 'joined':
        return this.#call(effect.join, (channel) => channel.joined());
      case 'handle':
        return this.#handle(effect);
      case 'settle':
        return this.#call(effect.join, (channel) => channel.settle());
      case 'leave':
        this.#leave(effect.join);
        return [];
      case 'reply':
        this.#reply(effect);
        return [];
      case 'end':
        this.#send(
          this.serializer.push(
            effect.joinRef,
            effect.joinRef,
            effect.topic,
            effect.event,
            effect.payloadJson,
          ),
        );
        return [];
      case 'send':
        this.queue.send(effect.output);
        return [];
      default:
        return unreachable(effect);
    }
  }

  #open({ join, payload }: Extract<ChannelEffect, { kind: 'open' }>): ChannelEffects {
    try {
      join.channel = this.#options.openChannel(this.principal, join.topic, new TopicPort(this, join));
    } catch (error) {
      this.#logCrash(join, error);
      this.#countJoin(join, 'crashed');
      return this.table.crashJoin(join);
    }
    if (join.channel === null) {
      this.#countJoin(join, 'unmatched');
      return this.table.refuseUnmatched(join);
    }
    void this.#join(join, join.channel, payload);
    return [];
  }

  async #join(join: ChannelJoin, channel: Channel, payload: Parameters<Channel['join']>[0]): Promise<void> {
    let effects: ChannelEffects;
    try {
      const result = await channel.join(payload);
      this.#countJoin(join, result.ok ? 'ok' : result.error.code);
      effects = result.ok ? this.table.accept(join, result.value) : this.table.refuse(join, result.error);
    } catch (error) {
      this.#logCrash(join, error);
      this.#countJoin(join, 'crashed');
      effects = this.table.crashJoin(join);
    }
    this.#run(effects);
  }

  #handle({ join, event, payload, ref }: Extract<ChannelEffect, { kind: 'handle' }>): ChannelEffects {
    return this.#call(join, (channel) => channel.handle(event, payload, new PushReply(this, join, ref)));
  }

  /** Calls a channel; the next frame of its topic goes when the call is done. */
  #call(join: ChannelJoin, call: (channel: Channel) => void | Promise<void>): ChannelEffects {
    try {
      const pending = call(join.channel!);
      if (pending === undefined) return this.table.resume(join);
      pending.then(
        () => this.#run(this.table.resume(join)),
        (error) => this.#run(this.#crash(join, error)),
      );
      return [];
    } catch (error) {
      return this.#crash(join, error);
    }
  }

  #crash(join: ChannelJoin, error: unknown): ChannelEffects {
    this.#logCrash(join, error);
    return this.table.end(join, 'crash');
  }

  #leave(join: ChannelJoin): void {
    const { channel } = join;
    join.channel = null;
    try {
      channel?.leave();
    } catch (error) {
      this.#logCrash(join, error);
    }
  }

  #reply({ joinRef, ref, topic, status, responseJson }: Extract<ChannelEffect, { kind: 'reply' }>): void {
    this.#send(this.serializer.reply(joinRef, ref, topic, status, responseJson));
  }

  #send(text: string): void {
    this.queue.send(encodeTextFrame(text));
  }

  #countJoin({ topic }: ChannelJoin, result: JoinResult): void {
    this.#options.metrics.joinAnswered(topic, result);
  }

  #logCrash(join: ChannelJoin, error: unknown): void {
    this.#log('error', { topic: join.topic, err: error }, 'channel crashed');
  }

  #log(level: 'debug' | 'error', fields: object, message: string): void {
    const { log, id, principal } = this.#options;
    const participantId = principal.kind === 'participant' ? principal.participantId : null;
    log[level]({ connection_id: id, participant_id: participantId, ...fields }, message);
  }
}

/** A client that backs off when it is told never gets there; one that ignores a hundred answers does not listen. */
const patience = { perSecond: 10, burst: 100 };

const tooFast = wireError('rate_limited', 'You send faster than is allowed: wait a second, then go on');

const tokenExpired: CloseReason = { code: 4001, reason: 'token_expired' };
const malformedFrame: CloseReason = { code: 1007, reason: 'malformed_frame' };
const truncatedBinary: CloseReason = { code: 1002, reason: 'malformed_binary_frame' };

function decodeBinary(data: Buffer): ClientFrame | null {
  const push = decodeBinaryPush(data);
  return push && { ...push, payload: binaryPayload };
}
