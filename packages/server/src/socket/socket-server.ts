import { randomBytes } from 'node:crypto';
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { errorTable, type ParticipantId, type WireError } from '@fleetlm/protocol';
import { type ServerOptions, WebSocketServer } from 'ws';
import type { Authenticator } from '../auth/authenticator.ts';
import type { CallerRates } from '../auth/caller-rates.ts';
import type { LongConnections } from '../auth/disabled-participants.ts';
import type { OpenChannel } from '../channels/channel.ts';
import type { Config } from '../config/config.ts';
import type { Log } from '../lib/log.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { HandshakeStatus } from '../observability/labels.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Tracing } from '../observability/tracing.ts';
import type { Load } from '../runtime/load-monitor.ts';
import {
  type Client,
  type CloseReason,
  Connection,
  type ConnectionContext,
  slowConsumer,
} from './connection.ts';
import { Flusher } from './flusher.ts';
import { type Handshake, readHandshake } from './handshake.ts';

export interface SocketServerOptions {
  readonly config: Pick<Config, 'auth' | 'sockets'>;
  readonly authenticator: Authenticator;
  readonly rates: CallerRates;
  readonly load: Load;
  readonly openChannel: OpenChannel;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly log: Log;
}

export interface DrainOptions {
  /** How many sockets are closed at once. */
  readonly batch: number;
  readonly intervalMs: number;
  /** Aborted: close the rest at once, and wait no longer. */
  readonly signal?: AbortSignal;
}

/** A handshake is over by then: its client has sent all it must, only our authenticator is awaited. */
const handshakeMs = 10_000;

/** More than this wait for the authenticator only when it is stuck; 503 is cheaper than their sockets. */
const maxHandshakes = 4_096;

/** A peer that does not answer a close frame by then is cut off. */
const closeTimeoutMs = 5_000;

/** A frame of 64 KiB needs no more; each empty fragment counts. */
const maxFragments = 64;

interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

type Accepted = Extract<Handshake, { readonly ok: true }>;

interface Refused {
  readonly ok: false;
  readonly status: 429 | 503;
}

type RefusedStatus = Exclude<HandshakeStatus, 101>;

const overloaded: Refused = { ok: false, status: 503 };
const tooFast: Refused = { ok: false, status: 429 };
const restart: CloseReason = { code: 1012, reason: 'restart' };
const disconnected: CloseReason = { code: 1001, reason: 'disconnected' };
const participantDisabled: CloseReason = { code: 1008, reason: 'participant_disabled' };

/**
 * The WebSocket edge of one process.
 *
 * Owns the connections, the handshakes in progress, one flusher and one timer. States: running → draining
 * (handshakes get 503) → stopped. Attached to the HTTP server by `server.ts`, which drains and stops it before
 * it closes that server: an HTTP server waits for its upgraded sockets.
 */
export class SocketServer implements LongConnections, AsyncDisposable {
  readonly #options: SocketServerOptions;
  readonly #webSockets: WebSocketServer;
  readonly #flusher = new Flusher();
  readonly #context: ConnectionContext;
  readonly #connections = new Set<Connection>();
  /** Sockets whose client waits to be authenticated, and since when. */
  readonly #handshakes = new Map<Duplex, number>();
  readonly #sweeper: NodeJS.Timeout;
  #http: Server | null = null;
  #isDraining = false;
  #whenEmpty: PromiseWithResolvers<void> | null = null;

  constructor(options: SocketServerOptions) {
    this.#options = options;
    const { sockets } = options.config;
    this.#context = this.#createContext();
    this.#webSockets = createWebSocketServer(sockets.maxFrameBytes);
    this.#sweeper = setInterval(this.#sweepSoon, this.#context.sweepMs).unref();
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Topics that are joined or being joined, of all sockets. */
  get topicCount(): number {
    let count = 0;
    for (const connection of this.#connections) count += connection.topics.size;
    return count;
  }

  /** What waits to be written, to all sockets. */
  get queuedBytes(): number {
    let bytes = 0;
    for (const { queue } of this.#connections) bytes += queue.waitingBytes;
    return bytes;
  }

  /** Handshakes that wait for the authenticator. */
  get handshakeCount(): number {
    return this.#handshakes.size;
  }

  /** Takes the upgrade requests of `http`, all of them. */
  attach(http: Server): void {
    if (this.#http !== null) throw new Error('the socket server is attached already');
    this.#http = http;
    http.on('upgrade', this.#onUpgrade);
  }

  /** Who has a socket open. */
  get participantIds(): Set<ParticipantId> {
    const ids = new Set<ParticipantId>();
    for (const { principal } of this.#connections) {
      if (principal.kind === 'participant') ids.add(principal.participantId);
    }
    return ids;
  }

  disabled(participantId: ParticipantId): void {
    this.disconnect(participantId, participantDisabled);
  }

  /** Closes every socket of a participant. */
  disconnect(participantId: ParticipantId, reason: CloseReason = disconnected): void {
    for (const connection of this.#connections) {
      const { principal } = connection;
      if (principal.kind === 'participant' && principal.participantId === participantId) {
        connection.close(reason);
      }
    }
  }

  /** Refuses handshakes with 503, and closes all sockets with 1012, paced: their clients do not all come back at once. */
  async drain({ batch, intervalMs, signal }: DrainOptions): Promise<void> {
    this.#isDraining = true;
    const open = [...this.#connections];
    while (open.length > 0) {
      const now = signal?.aborted ? open.splice(0) : open.splice(0, batch);
      for (const connection of now) connection.close(restart);
      if (open.length > 0) await pause(intervalMs, signal);
    }
    await Promise.race([this.#untilEmpty(), untilAborted(signal)]);
  }

  /** Cuts what is left and waits until nothing of it remains. */
  async stop(): Promise<void> {
    this.#isDraining = true;
    this.#http?.off('upgrade', this.#onUpgrade);
    this.#http = null;
    for (const socket of this.#handshakes.keys()) socket.destroy();
    for (const connection of this.#connections) connection.terminate();
    await this.#untilEmpty();
    clearInterval(this.#sweeper);
    this.#flusher.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Until ws takes the socket over: a client that goes away must not reach the process.
    socket.on('error', destroy);
    const handshake = this.#findRefusal(request) ?? readHandshake(request, this.#options.config.auth);
    if (handshake.ok) void this.#authenticate(handshake, { request, socket, head });
    else this.#refuse(socket, handshake.status);
  };

  /** Why a handshake is refused, whatever it asks for. The cheapest answers come first: official clients never give up. */
  #findRefusal(request: IncomingMessage): Refused | null {
    const { load, rates, metrics } = this.#options;
    if (load.isFull) metrics.shed('handshake');
    if (this.#isDraining || load.isFull || this.#handshakes.size >= maxHandshakes) return overloaded;
    return rates.addresses.mayConnect(request) ? null : tooFast;
  }

  async #authenticate({ serializer, credentials }: Accepted, upgrade: Upgrade): Promise<void> {
    const { request, socket, head } = upgrade;
    this.#handshakes.set(socket, performance.now());
    try {
      const result = await this.#options.authenticator.authenticate(credentials);
      if (!result.ok) this.#refuse(socket, statusOf(result.error));
      else if (this.#isDraining) this.#refuse(socket, 503);
      else {
        const principal = result.value;
        // Does nothing with a socket whose client went away meanwhile.
        this.#webSockets.handleUpgrade(request, socket, head, (ws) =>
          this.#connect({ ws, socket, serializer, principal }),
        );
      }
    } catch (error) {
      this.#options.log.error({ err: error }, 'handshake failed');
      this.#refuse(socket, 503);
    } finally {
      this.#handshakes.delete(socket);
    }
  }

  #refuse(socket: Duplex, status: RefusedStatus): void {
    const { metrics } = this.#options;
    metrics.handshakeAnswered(status);
    if (status === 429) metrics.rateLimited('handshake');
    refuse(socket, status);
  }

  #connect(client: Omit<Client, 'id'>): void {
    client.socket.off('error', destroy);
    this.#options.metrics.handshakeAnswered(101);
    // Not a UUID: Node's is a rope of sixteen pieces, which takes ten times the memory as long as the socket is open.
    const id = randomBytes(16).toString('hex');
    this.#connections.add(new Connection(this.#context, { ...client, id }));
  }

  #createContext(): ConnectionContext {
    const { openChannel, log, config, rates, metrics, tracing } = this.#options;
    const { maxTopics, maxPendingFrames, maxQueuedBytes } = config.sockets;
    return {
      openChannel,
      tracing,
      log,
      limits: config.sockets,
      // What one socket may hold of the server's memory is the same in both directions.
      topicLimits: { maxTopics, maxPendingFrames, maxPendingBytes: maxQueuedBytes },
      rates: rates.participants,
      sweepMs: sweepInterval(config.sockets),
      flusher: this.#flusher,
      metrics,
      onClosed: (connection) => this.#forget(connection),
    };
  }

  /** Each queue has its bound, and all together have one: the longest go first, and come back by cursor. */
  #boundQueues(queuedBytes: number): void {
    const { maxTotalQueuedBytes } = this.#options.config.sockets;
    let total = queuedBytes;
    if (total <= maxTotalQueuedBytes) return;
    for (const connection of [...this.#connections].sort(byWaitingBytes)) {
      if (total <= maxTotalQueuedBytes) return;
      total -= connection.queue.waitingBytes;
      connection.close(slowConsumer);
    }
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#whenEmpty?.resolve();
  }

  #untilEmpty(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve();
    this.#whenEmpty ??= Promise.withResolvers();
    return this.#whenEmpty.promise;
  }

  /** After what has arrived was read: a node that was held up must not find its clients silent for it. */
  readonly #sweepSoon = (): void => {
    setImmediate(() => this.#sweep());
  };

  #sweep(): void {
    const nowMs = performance.now();
    let queuedBytes = 0;
    // No iterator: an idle server runs this too seldom for V8 to spare the result that each step of one makes.
    this.#connections.forEach((connection) => {
      connection.sweep(nowMs);
      queuedBytes += connection.queue.waitingBytes;
    });
    this.#boundQueues(queuedBytes);
    for (const [socket, sinceMs] of this.#handshakes) {
      if (nowMs - sinceMs >= handshakeMs) socket.destroy();
    }
  }
}

function byWaitingBytes(a: Connection, b: Connection): number {
  return b.queue.waitingBytes - a.queue.waitingBytes;
}

function createWebSocketServer(maxPayload: number): WebSocketServer {
  // @types/ws does not know `closeTimeout` yet.
  const options: ServerOptions & { readonly closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload,
    maxFragments,
    closeTimeout: closeTimeoutMs,
    // ws would write a pong for each ping, whether or not the client reads; the connection answers through its queue.
    autoPong: false,
    // `readHandshake` has refused a list without it.
    handleProtocols: () => 'phoenix',
  };
  return new WebSocketServer(options);
}

/** Often enough that a deadline is at most a quarter late, and not more than once a second by default. */
function sweepInterval({ idleMs, stallMs }: Config['sockets']): number {
  return Math.max(1, Math.min(1_000, idleMs / 4, stallMs / 4));
}

/** A refused client learns nothing but that; one that could not be judged may try again. */
function statusOf({ code }: WireError): 403 | 503 {
  return errorTable[code].status < 500 ? 403 : 503;
}

/** Answers on the raw socket, with an empty body, and hangs up. */
function refuse(socket: Duplex, status: RefusedStatus): void {
  const retry = status === 429 || status === 503 ? 'Retry-After: 1\r\n' : '';
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n` +
      `Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n` +
      `Cross-Origin-Resource-Policy: same-origin\r\n${retry}\r\n`,
  );
}

function destroy(this: Duplex): void {
  this.destroy();
}

/** Waits for the time or the signal, whichever comes first. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(ms, undefined, { ...(signal && { signal }) }).catch(() => undefined);
}
