import { connect, type Socket } from 'node:net';
import {
  type ErrorCode,
  errorTable,
  type FieldErrors,
  problemSchema,
  sessionReplySchema,
} from '@fleetlm/protocol';
import { quietLog, testDatabase, waitUntil } from '@fleetlm/testkit';
import { expect } from 'vitest';
import { Dispatcher } from '../../src/agents/dispatcher.ts';
import { Endpoints } from '../../src/agents/endpoints/endpoints.ts';
import { TurnStore } from '../../src/agents/turns/turn-store.ts';
import { AddressGuard } from '../../src/agents/webhook/address-guard.ts';
import { createHostResolver } from '../../src/agents/webhook/resolve-host.ts';
import { WebhookClient } from '../../src/agents/webhook/webhook-client.ts';
import type { Authenticator, Credentials } from '../../src/auth/authenticator.ts';
import { createCallerRates } from '../../src/auth/caller-rates.ts';
import { NoAuthentication } from '../../src/auth/no-auth.ts';
import type { Principal } from '../../src/auth/principal.ts';
import { type Config, parseConfig } from '../../src/config/config.ts';
import { Appender } from '../../src/conversation/append/appender.ts';
import { ParticipantDirectory } from '../../src/conversation/participant-directory.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { HttpServer, type HttpServerOptions } from '../../src/http/http-server.ts';
import { InboxSupervisor } from '../../src/inbox/inbox-supervisor.ts';
import { Failpoints } from '../../src/lib/failpoints.ts';
import type { Log } from '../../src/lib/log.ts';
import { monotonicUlid } from '../../src/lib/monotonic-ulid.ts';
import type { Result } from '../../src/lib/result.ts';
import { Metrics } from '../../src/observability/metrics.ts';
import { noTracing } from '../../src/observability/tracing.ts';
import { LocalPubSub } from '../../src/pubsub/local-pubsub.ts';
import { SessionSupervisor } from '../../src/sessions/session-supervisor.ts';
import { type Db, openDatabase } from '../../src/storage/database.ts';
import { StreamRegistry } from '../../src/streams/stream-registry.ts';

export interface FixtureOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly auth?: Partial<Config['auth']>;
  readonly timeouts?: HttpServerOptions['timeouts'];
  readonly health?: HttpServerOptions['health'];
  /** Stands before the usual authenticator. */
  readonly authenticate?: (credentials: Credentials, usual: Authenticator) => Promise<Result<Principal>>;
}

export interface CallOptions {
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, as `application/json` unless `headers` say otherwise. */
  readonly rawBody?: string | Uint8Array;
  /** The participant that calls; the service when left out. */
  readonly as?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into replies of any shape
  readonly body: any;
}

export interface LogLine {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** The REST edge on a real HTTP server, with a real gateway and a database of its own. */
export async function startHttpFixture(options: FixtureOptions = {}): Promise<HttpFixture> {
  const resources = new AsyncDisposableStack();
  const database = resources.use(await testDatabase());
  const parsed = parseConfig(options.env ?? {});
  const config = { ...parsed, auth: { ...parsed.auth, ...options.auth } };
  const metrics = new Metrics();
  const db = openDatabase(database.target, 10, quietLog);
  resources.defer(() => db.close());
  const failpoints = new Failpoints();
  const appender = new Appender({
    target: database.target,
    limits: config.append,
    log: quietLog,
    failpoints,
    metrics,
  });
  await appender.start();
  resources.defer(() => appender.stop());
  const directory = new ParticipantDirectory(db);
  const pubsub = new LocalPubSub(metrics);
  const actors = { db, pubsub, idleMs: 1_000, cache: config.cache, metrics, log: quietLog };
  const streams = new StreamRegistry({ pubsub, metrics });
  const sessions = new SessionSupervisor({ ...actors, streams });
  const inboxes = new InboxSupervisor({ ...actors, unwritten: () => [] });
  resources.defer(() => sessions.stop());
  resources.defer(() => inboxes.stop());
  const rates = createCallerRates(config);
  const load = { isFull: false };
  const { messages: limits, groups } = config;
  const maxGroupMembers = groups.maxMembers;
  const guard = new AddressGuard(config.agents.guard);
  const endpoints = new Endpoints({ db, guard, log: quietLog });
  const webhooks = new WebhookClient({ guard, resolveHost: createHostResolver() });
  const lifetime = new AbortController();
  resources.defer(() => lifetime.abort());
  const store = new TurnStore(db, monotonicUlid()());
  const dispatcher = new Dispatcher({
    ...{ db, store, endpoints, webhooks, appender, streams, failpoints, metrics },
    tracing: noTracing,
    log: quietLog,
    limits: config.agents,
    hopLimit: config.append.hopLimit,
  });
  appender.listen({
    committed: (messages) => sessions.committed(messages),
    woke: (sessionIds) => dispatcher.wake(sessionIds),
    hopLimitReached: (messages) => dispatcher.hopLimitReached(messages),
    reached: (sessionId, lastSeq) => sessions.reached(sessionId, lastSeq),
  });
  dispatcher.start();
  resources.defer(() => dispatcher.close());
  const gateway = new Gateway({
    db,
    appender,
    directory,
    sessions,
    inboxes,
    streams,
    turns: dispatcher,
    limits,
    maxGroupMembers,
    maxMetadataBytes: config.metadata.maxBytes,
    agents: { endpoints, webhooks, signal: lifetime.signal, onRedelivered: () => {} },
    rates: rates.participants,
    load,
    metrics,
    log: quietLog,
  });
  const logLines: LogLine[] = [];
  const server = new HttpServer({
    config,
    gateway,
    rates,
    load,
    authenticator: scripted(new NoAuthentication(directory), options.authenticate),
    health: options.health ?? (() => []),
    metrics,
    tracing: noTracing,
    log: recordingLog(logLines),
    ...(options.timeouts && { timeouts: options.timeouts }),
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  resources.defer(() => server.close());
  return new HttpFixture({ server, port, db, load, logLines, resources });
}

export class HttpFixture implements AsyncDisposable {
  readonly server: HttpServer;
  readonly port: number;
  readonly db: Db;
  /** A test may say that the node is full. */
  readonly load: { isFull: boolean };
  readonly logLines: readonly LogLine[];
  readonly #resources: AsyncDisposableStack;

  constructor(parts: {
    server: HttpServer;
    port: number;
    db: Db;
    load: { isFull: boolean };
    logLines: readonly LogLine[];
    resources: AsyncDisposableStack;
  }) {
    this.server = parts.server;
    this.port = parts.port;
    this.db = parts.db;
    this.load = parts.load;
    this.logLines = parts.logLines;
    this.#resources = parts.resources;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** One call; what every reply has to have is checked here. */
  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const { body, rawBody = body === undefined ? undefined : JSON.stringify(body), as, headers } = options;
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(rawBody !== undefined && { 'content-type': 'application/json' }),
        // fetch writes a header as latin1; the server reads UTF-8.
        ...(as !== undefined && { 'x-participant-id': Buffer.from(as).toString('latin1') }),
        ...headers,
      },
      ...(rawBody !== undefined && { body: rawBody as NonNullable<RequestInit['body']> }),
    });
    const answer = {
      status: response.status,
      headers: response.headers,
      body: parse(await response.text()),
    };
    checkReply(answer);
    return answer;
  }

  get(path: string, as?: string): Promise<Answer> {
    return this.call('GET', path, { ...(as !== undefined && { as }) });
  }

  post(path: string, body: unknown, as?: string): Promise<Answer> {
    return this.call('POST', path, { body, ...(as !== undefined && { as }) });
  }

  async addParticipants(...ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const { status } = await this.call('PUT', `/api/participants/${id}`, { body: {} });
      expect(status).toBe(200);
    }
  }

  /** The id of a new direct session. */
  async addSession(initiatorId: string, peerId: string): Promise<string> {
    const answer = await this.post('/api/sessions', { initiator_id: initiatorId, peer_id: peerId });
    expect(answer.status).toBe(201);
    return sessionReplySchema.parse(answer.body).session.id;
  }

  /** The id of a new group. */
  async addGroup(initiatorId: string, ...memberIds: readonly string[]): Promise<string> {
    const body = { kind: 'group', initiator_id: initiatorId, member_ids: memberIds };
    const answer = await this.post('/api/sessions', body);
    expect(answer.status).toBe(201);
    return answer.body.session.id;
  }

  /** Every row that a request could have stored or changed. */
  async stored(): Promise<unknown> {
    const { kysely } = this.db;
    return {
      participants: await kysely.selectFrom('participants').selectAll().orderBy('id').execute(),
      sessions: await kysely.selectFrom('chat_sessions').selectAll().orderBy('id').execute(),
      members: await kysely
        .selectFrom('session_members')
        .selectAll()
        .orderBy('session_id')
        .orderBy('participant_id')
        .execute(),
      messages: await kysely.selectFrom('chat_messages').selectAll().orderBy('id').execute(),
    };
  }

  /** A bare connection, for requests that no client library would send. */
  connect(): RawConnection {
    return new RawConnection(this.port);
  }

  /** What comes back for the bytes of a request, when the server has closed the connection. */
  async exchange(text: string): Promise<string> {
    const connection = this.connect();
    connection.write(text);
    await connection.closed;
    return connection.received;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}

/** A TCP connection that remembers what it received. */
export class RawConnection {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  received = '';
  #isClosed = false;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (data) => {
      this.received += data;
    });
    this.socket.on('error', () => undefined);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.socket.once('close', () => {
      this.#isClosed = true;
      resolve();
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  write(text: string): void {
    this.socket.write(text);
  }

  /** Waits until `text` has come. */
  async until(text: string): Promise<string> {
    await waitUntil(() => this.received.includes(text), { what: `${text}, got ${this.received}` });
    return this.received;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Expects an error reply with this code; `errors` are its field errors. */
export function expectProblem(answer: Answer, code: ErrorCode, errors?: FieldErrors): void {
  expect(answer.body).toMatchObject({ code, ...(errors && { errors }) });
  if (errors) expect(answer.body.errors).toEqual(errors);
}

/** What two replies must have in common to look alike. */
export function withoutRequestId({ status, body }: Answer): object {
  const { request_id: _, ...rest } = body;
  return { status, ...rest };
}

function parse(text: string): unknown {
  return text === '' ? undefined : JSON.parse(text);
}

function checkReply({ status, headers, body }: Answer): void {
  expect(Object.fromEntries(headers)).toMatchObject({
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
    'x-request-id': expect.stringMatching(/.+/),
  });
  if (status < 400 || body === undefined || body.status === 'not_ready') return;
  const problem = problemSchema.parse(body);
  const { title, retryable } = errorTable[problem.code];
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(problem).toMatchObject({ title, retryable, status, type: `/docs/errors#${problem.code}` });
  expect(errorTable[problem.code].status).toBe(status);
  expect(problem.request_id).toBe(headers.get('x-request-id'));
}

function scripted(usual: Authenticator, script: FixtureOptions['authenticate']): Authenticator {
  return script ? { authenticate: (credentials) => script(credentials, usual) } : usual;
}

function recordingLog(lines: LogLine[]): Log {
  const write = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields: fields as LogLine['fields'], message });
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}
