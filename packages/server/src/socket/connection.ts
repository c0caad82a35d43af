import type { Duplex } from 'node:stream';
import {
  type ClientFrame,
  type CloseCode,
  decodeBinaryPush,
  type Serializer,
  wireError,
} from '@fleetlm/protocol';
import type { RawData, WebSocket } from 'ws';
import type { ParticipantRates } from '../auth/participant-rates.ts';
import type { Principal } from '../auth/principal.ts';
import type { Config } from '../config/config.ts';
import type { Log } from '../lib/log.ts';
import { encodePongFrame } from '../lib/websocket-frame.ts';
import { TokenBucket } from '../runtime/token-bucket.ts';
import { closeCodeOf } from './close-code.ts';
import { ConnectionTopics, type TopicsContext, type TopicsOwner } from './connection-topics.ts';
import type { Flusher } from './flusher.ts';
import { SendQueue, type SendQueueOwner } from './send-queue.ts';
import { binaryPayload } from './topic-effects.ts';

/** What the connections of a server share: made once, since there are many of them. */
export interface ConnectionContext extends TopicsContext {
  readonly limits: Config['sockets'];
  readonly rates: ParticipantRates;
  /** The time between two sweeps. */
  readonly sweepMs: number;
  readonly flusher: Flusher;
  readonly log: Log;
  /** The socket is gone and every channel has left. Called once for each. */
  readonly onClosed: (connection: Connection) => void;
}

/** A client that was let in. */
export interface Client {
  /** Unique among all servers and times. */
  readonly id: string;
  readonly ws: WebSocket;
  /** The raw socket below `ws`: what the send queue writes to. */
  readonly socket: Duplex;
  readonly serializer: Serializer;
  readonly principal: Principal;
}

/** Why the server closes a socket. */
export interface CloseReason {
  readonly code: CloseCode;
  readonly reason: string;
}

export const slowConsumer: CloseReason = { code: 4008, reason: 'slow_consumer' };

/**
 * One connected client.
 *
 * Owns the WebSocket, its send queue and its topics. States: open → closing (channels have left, a close frame
 * is out, ws destroys the socket if the peer does not answer) → closed. Frames come from ws, and go to the topics
 * unless they come too fast. Created and swept by the SocketServer.
 */
export class Connection implements SendQueueOwner, TopicsOwner {
  readonly id: string;
  readonly principal: Principal;
  readonly serializer: Serializer;
  readonly queue: SendQueue;
  readonly topics: ConnectionTopics;
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  readonly #context: ConnectionContext;
  #isClosing = false;
  /** With which code the server has closed it; null: the client did, or nobody yet. */
  #closeCode: number | null = null;
  #framesSeen = 0;
  /** Runs out with each frame or message that came too fast. */
  #patience: TokenBucket | null = null;
  #isOffender = false;
  #expiry: NodeJS.Timeout | null = null;
  /** The newest ping that is not answered yet. */
  #ping: Buffer | null = null;
  /** How many frames the sweeps have seen, and when they saw the last ones. */
  #framesSwept = -1;
  #activeMs = 0;

  constructor(context: ConnectionContext, { id, ws, socket, serializer, principal }: Client) {
    const { flusher, limits } = context;
    this.id = id;
    this.principal = principal;
    this.serializer = serializer;
    this.#ws = ws;
    this.#socket = socket;
    this.#context = context;
    this.queue = new SendQueue({ socket, flusher, limits, owner: this });
    this.topics = new ConnectionTopics(context, this);
    ws.on('message', (data, isBinary) => this.#receive(data, isBinary));
    ws.on('ping', (payload) => this.#onPing(payload));
    // A pong is no sign of life: browsers answer pings while the page hangs. It costs us all the same.
    ws.on('pong', () => this.#count(0));
    // A broken frame or socket: ws has sent its close frame, or there is nothing to send it to.
    ws.on('error', (error) => this.#onError(error));
    ws.on('close', (code) => this.#onClosed(code));
    this.#watchExpiry();
  }

  get isOpen(): boolean {
    return this.#ws.readyState === this.#ws.OPEN;
  }

  /** Ends every channel and sends what waits, then a close frame. A slow reader gets only the close frame. */
  close({ code, reason }: CloseReason): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#closeCode = code;
    this.topics.endAll();
    if (code === 4008) this.queue.close();
    else this.queue.finish();
    this.#ws.close(code, reason);
    this.#log('debug', { code, reason }, 'socket closed by the server');
  }

  terminate(): void {
    this.#ws.terminate();
  }

  tooSlow(): void {
    this.close(slowConsumer);
  }

  /** Closes a client that has been silent for too long, or does not read. */
  sweep(nowMs: number): void {
    if (this.#isClosing) return;
    this.#watchExpiry();
    this.queue.sweep(nowMs);
    if (this.#framesSwept !== this.#framesSeen) {
      this.#framesSwept = this.#framesSeen;
      this.#activeMs = nowMs;
    } else if (nowMs - this.#activeMs >= this.#context.limits.idleMs) {
      this.close({ code: 4009, reason: 'no_heartbeat' });
    }
  }

  /**
   * A timer, but only for a token that is over before the next sweep: it ends on time (I32), a day's token costs
   * no timer for a day, and a clock that was set right is noticed.
   */
  #watchExpiry(): void {
    const { expiresAtMs } = this.principal;
    if (expiresAtMs === undefined || this.#expiry !== null) return;
    const leftMs = expiresAtMs - Date.now();
    if (leftMs <= this.#context.sweepMs) {
      this.#expiry = setTimeout(() => this.#expire(), Math.max(leftMs, 0));
    }
  }

  /** Tells every topic, and closes. What is not written by now is not delivered: the client comes back by cursor. */
  #expire(): void {
    if (this.#isClosing) return;
    this.queue.discard();
    this.topics.tellAll('token_expired', '{}');
    this.close(tokenExpired);
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#isClosing) return;
    this.#framesSeen += 1;
    this.#context.metrics.frameReceived();
    try {
      // ws hands over one Buffer with its default `binaryType`.
      const bytes = data as Buffer;
      const frame = isBinary ? decodeBinary(bytes) : this.serializer.decode(bytes.toString());
      if (frame === null) this.close(isBinary ? truncatedBinary : malformedFrame);
      else if (this.#context.rates.mayCall(this.principal, bytes.length))
        this.topics.receive(frame, bytes.length);
      else this.#refuse(frame);
      if (this.#isOffender) this.#silence();
    } catch (error) {
      this.#log('error', { err: error }, 'socket failed');
      this.close({ code: 1011, reason: 'internal_error' });
    }
  }

  #onPing(payload: Buffer): void {
    if (this.#isClosing) return;
    this.#framesSeen += 1;
    this.#count(payload.length);
    const isWaiting = this.#ping !== null;
    this.#ping = payload;
    if (!isWaiting) void this.#answerPing();
  }

  /**
   * With room in the queue, so that a client that pings and does not read costs no more than another; of several
   * pings the newest is answered (RFC 6455, 5.5.3).
   */
  async #answerPing(): Promise<void> {
    try {
      await this.queue.drained();
    } catch {
      return; // closed: nobody waits for a pong
    }
    if (this.#ping !== null) this.queue.send(encodePongFrame(this.#ping));
    this.#ping = null;
  }

  /** A control frame counts as any other; nothing tells its sender but the end. */
  #count(bytes: number): void {
    if (this.#isClosing || this.#context.rates.mayCall(this.principal, bytes)) return;
    this.tooFast();
    if (this.#isOffender) this.#silence();
  }

  /** The frame came too fast: its sender is told so, and nothing else comes of it. */
  #refuse(frame: ClientFrame): void {
    this.topics.refuse(frame, rateLimited);
    this.tooFast();
  }

  /** Told for each answer `rate_limited`, also by channels, which must not be left in the middle of one. */
  tooFast(): void {
    this.#context.metrics.rateLimited('frame');
    const nowMs = performance.now();
    this.#patience ??= new TokenBucket(patience, nowMs);
    this.#isOffender ||= !this.#patience.take(nowMs);
  }

  /** Closes, and reads no more of what the client has sent already: it would be answered for as long as it goes on. */
  #silence(): void {
    this.close({ code: 1008, reason: 'rate_limited' });
    this.#ws.pause();
    // Its answer to the close frame is not read either.
    this.#socket.end();
  }

  #onError(error: Error): void {
    this.#isClosing = true;
    this.#closeCode ??= closeCodeOf(error);
    this.topics.endAll();
    this.queue.close();
    this.#log('debug', { err: error }, 'socket broken');
  }

  #onClosed(code: number): void {
    this.#isClosing = true;
    const { metrics } = this.#context;
    if (this.#closeCode === null) metrics.connectionClosed('client', code);
    else metrics.connectionClosed('server', this.#closeCode);
    if (this.#expiry !== null) clearTimeout(this.#expiry);
    this.topics.endAll();
    this.queue.close();
    this.#context.onClosed(this);
  }

  logError(fields: object, message: string): void {
    this.#log('error', fields, message);
  }

  #log(level: 'debug' | 'error', fields: object, message: string): void {
    const { id, principal } = this;
    const participantId = principal.kind === 'participant' ? principal.participantId : null;
    this.#context.log[level]({ connection_id: id, participant_id: participantId, ...fields }, message);
  }
}

/**
 * A client that backs off when it is told hardly gets there; one that ignores a hundred answers does not listen. Many
 * devices that join a hundred topics each at once may be closed a few times, and come back as a slope.
 */
const patience = { perSecond: 10, burst: 100 };

const rateLimited = wireError('rate_limited', 'You send faster than is allowed: wait a second, then go on');

const tokenExpired: CloseReason = { code: 4001, reason: 'token_expired' };
const malformedFrame: CloseReason = { code: 1007, reason: 'malformed_frame' };
const truncatedBinary: CloseReason = { code: 1002, reason: 'malformed_binary_frame' };

function decodeBinary(data: Buffer): ClientFrame | null {
  const push = decodeBinaryPush(data);
  return push && { ...push, payload: binaryPayload };
}
