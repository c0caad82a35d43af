import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type JsonObject, parseParticipantId, wireError } from '@fleetlm/protocol';
import { RawSocket, type RawSocketOptions, waitUntil } from '@fleetlm/testkit';
import { afterEach, expect } from 'vitest';
import type { Authenticator, Credentials } from '../../src/auth/authenticator.ts';
import { createCallerRates } from '../../src/auth/caller-rates.ts';
import { type Principal, service } from '../../src/auth/principal.ts';
import type { Channel, ChannelPort, Reply } from '../../src/channels/channel.ts';
import { type Config, parseConfig } from '../../src/config/config.ts';
import type { Log } from '../../src/lib/log.ts';
import { fail, ok, type Result } from '../../src/lib/result.ts';
import { Metrics } from '../../src/observability/metrics.ts';
import { Broadcast } from '../../src/pubsub/broadcast.ts';
import { LocalPubSub } from '../../src/pubsub/local-pubsub.ts';
import { answerWithoutUpgrade, isWebSocketUpgrade, socketPath } from '../../src/socket/handshake.ts';
import { SocketServer } from '../../src/socket/socket-server.ts';

export interface LogLine {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export interface FixtureOptions {
  readonly sockets?: Partial<Config['sockets']>;
  readonly auth?: Partial<Config['auth']>;
  readonly rates?: Partial<Config['rates']>;
  readonly authenticate?: (credentials: Credentials) => Promise<Result<Principal>>;
}

const running = new Set<SocketFixture>();

afterEach(async () => {
  for (const fixture of running) await fixture.stop();
});

/**
 * A SocketServer on a real HTTP server, with scripted channels on topics `room:<anything>`. What a channel does
 * is told by the join payload's `join` and by the events it gets: see `RoomChannel`. It is stopped after the
 * test, which fails if anything is left.
 */
export async function startSocketFixture(options: FixtureOptions = {}): Promise<SocketFixture> {
  const fixture = new SocketFixture(options);
  running.add(fixture);
  await fixture.start();
  return fixture;
}

export class SocketFixture implements Authenticator {
  readonly server: SocketServer;
  readonly metrics = new Metrics();
  readonly pubsub = new LocalPubSub(this.metrics);
  readonly channels: RoomChannel[] = [];
  /** A test may say that the node is full. */
  readonly load = { isFull: false };
  readonly logLines: LogLine[] = [];
  /** What the last handshake said about its caller. */
  credentials: Credentials | null = null;
  readonly #gates = new Map<string, PromiseWithResolvers<void>>();
  readonly #authenticate: FixtureOptions['authenticate'];
  readonly #http: Server;

  constructor({ sockets, auth, rates, authenticate }: FixtureOptions) {
    const config = parseConfig({});
    this.#authenticate = authenticate;
    this.server = new SocketServer({
      config: { auth: { ...config.auth, ...auth }, sockets: { ...config.sockets, ...sockets } },
      authenticator: this,
      rates: createCallerRates({ ...config, rates: { ...config.rates, ...rates } }),
      load: this.load,
      openChannel: (_principal, topic, port) => this.#openChannel(topic, port),
      metrics: this.metrics,
      log: this.#log(),
    });
    this.#http = createServer({ shouldUpgradeCallback: isWebSocketUpgrade }, (request, response) => {
      const { status, body } = answerWithoutUpgrade(request.method ?? '');
      response.writeHead(request.url?.startsWith(socketPath) ? status : 200).end(body);
    });
    this.server.attach(this.#http);
  }

  start(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#http.listen(0, '127.0.0.1', () => resolve());
    return promise;
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  /** What an official client takes: it adds `/websocket`. */
  get endpoint(): string {
    return `ws://127.0.0.1:${this.port}/socket`;
  }

  get url(): string {
    return `${this.endpoint}/websocket`;
  }

  connect(options: RawSocketOptions = {}): Promise<RawSocket> {
    return RawSocket.open(this.url, options);
  }

  /** A socket that has joined `topic` with join_ref "1". */
  async joined(topic: string, options: RawSocketOptions = {}): Promise<RawSocket> {
    const socket = await this.connect(options);
    socket.send(['1', '1', topic, 'phx_join', {}]);
    await socket.next();
    return socket;
  }

  async authenticate(credentials: Credentials): Promise<Result<Principal>> {
    this.credentials = credentials;
    if (this.#authenticate) return this.#authenticate(credentials);
    if (credentials.token === 'bad') return fail(wireError('unauthorized'));
    if (credentials.participantId === null) return ok(service);
    const participantId = parseParticipantId(credentials.participantId);
    return participantId === null
      ? fail(wireError('unauthorized'))
      : ok({ kind: 'participant', participantId });
  }

  /** What a channel waits for when its payload names a gate. */
  gate(name: string): PromiseWithResolvers<void> {
    const gate = this.#gates.get(name) ?? Promise.withResolvers<void>();
    this.#gates.set(name, gate);
    return gate;
  }

  /** The newest channel of a topic. */
  channel(topic: string): RoomChannel {
    const channel = this.channels.findLast((candidate) => candidate.topic === topic);
    if (!channel) throw new Error(`no channel was opened for ${topic}`);
    return channel;
  }

  broadcast(topic: string, event: string, payload: JsonObject): void {
    this.pubsub.broadcast(new Broadcast(topic, event, JSON.stringify(payload)));
  }

  /** Stops everything, and fails if a channel, subscription, socket or handshake is left. */
  async stop(): Promise<void> {
    running.delete(this);
    await this.server.stop();
    for (const gate of this.#gates.values()) gate.resolve();
    await waitUntil(() => this.server.handshakeCount === 0, { what: 'no handshake is left' });
    const closed = Promise.withResolvers<void>();
    this.#http.close(() => closed.resolve());
    this.#http.closeAllConnections();
    await closed.promise;
    expect({
      connections: this.server.connectionCount,
      topics: this.server.topicCount,
      subscriptions: this.pubsub.topicCount,
      leaves: this.channels.map((channel) => channel.leaves),
    }).toEqual({ connections: 0, topics: 0, subscriptions: 0, leaves: this.channels.map(() => 1) });
  }

  #openChannel(topic: string, port: ChannelPort): Channel | null {
    if (topic === 'room:broken') throw new Error('openChannel failed');
    if (!topic.startsWith('room:')) return null;
    const channel = new RoomChannel(this, topic, port);
    this.channels.push(channel);
    return channel;
  }

  #log(): Log {
    const write = (level: string) => (fields: object, message: string) => {
      this.logLines.push({ level, fields: fields as LogLine['fields'], message });
    };
    return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  }
}

/** Does what its client's payloads say. */
export class RoomChannel implements Channel {
  readonly topic: string;
  readonly port: ChannelPort;
  /** The events that were handed over, in order. */
  readonly handled: string[] = [];
  leaves = 0;
  /** Answers that a test gives later. */
  readonly replies: Reply[] = [];
  /** How often it was told to settle. */
  settles = 0;
  readonly #overlapping = new Set<Promise<void>>();
  #mayNotSettle = false;
  readonly #fixture: SocketFixture;

  constructor(fixture: SocketFixture, topic: string, port: ChannelPort) {
    this.#fixture = fixture;
    this.topic = topic;
    this.port = port;
  }

  /** `join`: `refuse`, `throw`, `race`, `close`, `crash`; `gate`: waits for it first. */
  async join(payload: JsonObject): Promise<Result<string>> {
    this.#fixture.pubsub.subscribe(this.topic, this.port);
    if (typeof payload['gate'] === 'string') await this.#fixture.gate(payload['gate']).promise;
    switch (payload['join']) {
      case 'refuse':
        return fail(wireError('session_not_found'));
      case 'throw':
        throw new Error('join failed');
      case 'race':
        this.port.push('early', '{}');
        this.#fixture.broadcast(this.topic, 'raced', {});
        break;
      case 'close':
        this.port.push('early', '{}');
        this.port.close();
        break;
      case 'crash':
        this.port.crash(new Error('crashed while joining'));
        break;
    }
    return ok('{"joined":true}');
  }

  joined(): void {
    this.port.push('welcome', '{}');
  }

  handle(event: string, payload: JsonObject, reply: Reply): void | Promise<void> {
    this.handled.push(event);
    const { topic } = this;
    switch (event) {
      case 'echo':
        return reply.ok(JSON.stringify(payload));
      case 'refuse':
        return reply.error(wireError('forbidden'));
      case 'twice':
        reply.ok('1');
        return reply.ok('2');
      case 'later':
        this.replies.push(reply);
        return;
      case 'slow':
        return this.#slow(payload, reply);
      case 'overlap':
        return this.#overlap(this.#slow(payload, reply));
      case 'never_settle':
        this.#mayNotSettle = true;
        return reply.ok('{}');
      case 'throw':
        throw new Error('handle failed');
      case 'reject':
        return Promise.reject(new Error('handle rejected'));
      case 'close':
        return this.port.close();
      case 'answer_and_close':
        reply.ok('{}');
        return this.port.close();
      case 'shout':
        reply.ok('{}');
        return this.#fixture.broadcast(topic, 'shouted', payload);
      case 'shout_to_others':
        // What a broadcast_from is: the sender does not listen meanwhile.
        this.#fixture.pubsub.unsubscribe(topic, this.port);
        this.#fixture.broadcast(topic, 'shouted', payload);
        this.#fixture.pubsub.subscribe(topic, this.port);
        return reply.ok('{}');
      default:
        return reply.error(wireError('unknown_event'));
    }
  }

  settle(): void | Promise<void> {
    this.settles += 1;
    if (this.#mayNotSettle) throw new Error('settle failed');
    if (this.#overlapping.size > 0) return Promise.all(this.#overlapping).then(() => undefined);
  }

  leave(): void {
    this.leaves += 1;
    this.#fixture.pubsub.unsubscribe(this.topic, this.port);
  }

  /** Is answered later, and holds up nothing. */
  #overlap(answered: Promise<void>): void {
    this.#overlapping.add(answered);
    void answered.then(() => this.#overlapping.delete(answered));
  }

  async #slow(payload: JsonObject, reply: Reply): Promise<void> {
    await this.#fixture.gate(String(payload['gate'])).promise;
    reply.ok(JSON.stringify(payload));
  }
}
