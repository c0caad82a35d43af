import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WireError, wireError } from '@fleetlm/protocol';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { Authenticator } from '../auth/authenticator.ts';
import type { CallerRates } from '../auth/caller-rates.ts';
import type { Principal } from '../auth/principal.ts';
import type { Config } from '../config/config.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Log } from '../lib/log.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Tracing } from '../observability/tracing.ts';
import type { Load } from '../runtime/load-monitor.ts';
import { findForeign, identifyCaller } from './api-guard.ts';
import type { ApiRoute } from './api-route.ts';
import { refuseConnection } from './client-error.ts';
import { setCommonHeaders } from './common-headers.ts';
import { allowOrigin, answerPreflight, isPreflight } from './cors.ts';
import { acceptJsonOnly } from './json-body.ts';
import type { Listen } from './listen-error.ts';
import { createNodeServer, defaultTimeouts, type HttpTimeouts } from './node-server.ts';
import { OpenRequests } from './open-requests.ts';
import { sendNotFound, sendProblem, toWireError } from './problem.ts';
import { nameRequest, requestIdHeader } from './request-id.ts';
import { RequestJournal } from './request-journal.ts';
import { RequestTraces } from './request-traces.ts';
import { apiRoutes } from './routes/api-routes.ts';
import { addDocsRoutes } from './routes/docs.ts';
import { addHealthRoutes, type Health } from './routes/health.ts';
import { addMetricsRoute } from './routes/metrics.ts';
import { addSocketRoute } from './routes/socket.ts';
import { addStreamRoutes } from './routes/streams.ts';
import { SlowBodies } from './slow-bodies.ts';
import { startListening, stopListening } from './start-listening.ts';
import { StreamExchanges } from './stream-exchanges.ts';

export interface HttpServerOptions {
  readonly config: Pick<Config, 'auth' | 'http' | 'ops' | 'sockets'>;
  readonly gateway: Gateway;
  readonly authenticator: Authenticator;
  readonly rates: CallerRates;
  readonly load: Load;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly log: Log;
  /** For tests: seconds are long. */
  readonly timeouts?: Partial<HttpTimeouts>;
}

/** Ids in paths: one that is too long for an id must reach its route, which answers as for one that is absent. */
const maxParamLength = 16 << 10;

/**
 * The REST edge of one process, on the HTTP server that the socket edge shares.
 *
 * Owns the Node server and the requests that are open on it. States: made → listening → draining (API calls get
 * 503) → closed. `server.ts` attaches the socket server to `server`, and stops it before it closes this one:
 * closing waits for upgraded sockets.
 */
export class HttpServer implements AsyncDisposable {
  readonly server: Server;
  readonly #options: HttpServerOptions;
  readonly #app: FastifyInstance;
  readonly streamExchanges: StreamExchanges;
  readonly #open = new OpenRequests();
  readonly #slowBodies: SlowBodies;
  readonly #traces: RequestTraces;
  readonly #journal: RequestJournal;
  #isDraining = false;
  /** The look at our health that is under way. */
  #checking: Promise<readonly string[]> | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    const { tracing, metrics, log } = options;
    this.#traces = new RequestTraces(tracing);
    this.#journal = new RequestJournal({ traces: this.#traces, metrics, log });
    const timeouts = { ...defaultTimeouts, ...options.timeouts };
    const { maxQueuedBytes, stallMs } = options.config.sockets;
    const limits = { maxQueuedBytes, stallMs, quietMs: timeouts.streamQuietMs };
    this.streamExchanges = new StreamExchanges({ limits, sweepMs: timeouts.streamSweepMs });
    const { maxConnections } = options.config.http;
    // Node's limit would be for every request, also for one that is a stream: `#slowBodies` is in its place.
    const nodes = { timeouts: { ...timeouts, requestMs: 0 }, maxConnections };
    this.server = createNodeServer(nodes, (request, response) => this.#receive(request, response));
    const refuse = (error: NodeJS.ErrnoException, socket: Duplex) => this.#onClientError(error, socket);
    this.#slowBodies = new SlowBodies({ timeouts, refuse });
    this.#app = this.#createApp();
  }

  /** Starts to serve; port 0 takes a free one. */
  async listen(listen: Listen): Promise<AddressInfo> {
    await this.#app.ready();
    return startListening(this.server, listen);
  }

  /**
   * Refuses API calls with 503 from now on, ends those that last as long as a stream, asks clients to close their
   * connections, and waits for the calls that were open. Aborted: waits no longer.
   */
  async drain(signal?: AbortSignal): Promise<void> {
    this.#isDraining = true;
    this.streamExchanges.cutAll();
    this.#open.endConnections();
    this.server.closeIdleConnections();
    await Promise.race([this.#open.settled(), untilAborted(signal)]);
    this.server.closeIdleConnections();
  }

  /** Drains, stops listening, and cuts what is left. */
  close(signal?: AbortSignal): Promise<void> {
    this.#closing ??= this.#close(signal);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(signal: AbortSignal | undefined): Promise<void> {
    // Before the server is closed: its timeouts, which bound what is open, end with it.
    await this.drain(signal);
    await stopListening(this.server);
    this.#slowBodies.stop();
    await this.#app.close();
  }

  #createApp(): FastifyInstance {
    const { log, config } = this.#options;
    const app: FastifyInstance = fastify({
      serverFactory: () => this.server,
      bodyLimit: config.http.maxBodyBytes,
      requestIdHeader,
      routerOptions: { maxParamLength },
      clientErrorHandler: (error, socket) => this.#onClientError(error, socket),
      frameworkErrors: (error, request, reply) => {
        void sendProblem(reply, toWireError(error, log, { requestId: request.id }));
      },
    });
    acceptJsonOnly(app);
    app.setErrorHandler((error, request, reply) => sendProblem(reply, this.#explain(error, request)));
    app.setNotFoundHandler(sendNotFound);
    app.addHook('onRequest', (request, _reply, done) => {
      this.#journal.noteRoute(request);
      done();
    });
    app.decorateRequest('principal', null);
    addHealthRoutes(app, () => this.#findNotReady(), log);
    addDocsRoutes(app);
    addSocketRoute(app);
    if (config.ops === null) app.register(async (scope) => this.#addMetrics(scope));
    app.register(async (api) => this.#addApi(api), { prefix: '/api' });
    return app;
  }

  /**
   * Guarded by a hook of the routes, not by a look at the URL: the router decodes it, and `/%61pi` is `/api`.
   * The not-found handler is guarded with them.
   */
  #addApi(api: FastifyInstance): void {
    const { gateway } = this.#options;
    api.addHook('onRequest', (request, reply) => this.#admit(request, reply, this.#findBusy()));
    api.setNotFoundHandler(sendNotFound);
    for (const route of apiRoutes) addRoute(api, route, { gateway, traces: this.#traces });
    addStreamRoutes(api, {
      gateway,
      exchanges: this.streamExchanges,
      noteStream: (request) => this.#journal.noteStream(request),
      letLast: (request) => this.#slowBodies.letLast(request),
    });
  }

  /** For the service alone; also when the node is full or drains, since that is when they are wanted. */
  #addMetrics(scope: FastifyInstance): void {
    scope.addHook('onRequest', (request, reply) => this.#admit(request, reply, null));
    scope.addHook('onRequest', refuseParticipants);
    addMetricsRoute(scope, this.#options.metrics);
  }

  /** Why nothing new is taken now. */
  #findBusy(): WireError | null {
    const { load, metrics } = this.#options;
    if (this.#isDraining) return wireError('draining');
    if (!load.isFull) return null;
    metrics.shed('request');
    return wireError('overloaded');
  }

  /** Before anything of a body is read. */
  async #admit(
    request: FastifyRequest,
    reply: FastifyReply,
    busy: WireError | null,
  ): Promise<FastifyReply | undefined> {
    const { config, authenticator, rates } = this.#options;
    const { maxBodyBytes } = config.http;
    const foreign = findForeign(request.headers, config.auth);
    if (foreign !== null) return sendProblem(reply, foreign);
    allowOrigin(request, reply);
    if (isPreflight(request)) return answerPreflight(reply);
    if (busy !== null) return sendProblem(reply, busy);
    const caller = await identifyCaller(request.raw, { authenticator, rates, maxBodyBytes });
    if (!caller.ok) return sendProblem(reply, caller.error);
    request.setDecorator<Principal>('principal', caller.value);
    this.#traces.begin(request, reply);
    return undefined;
  }

  /** Every request comes through here first, also one that Fastify refuses before its hooks. */
  #receive(request: IncomingMessage, response: ServerResponse): void {
    const requestId = nameRequest(request);
    setCommonHeaders(response, requestId);
    if (this.#isDraining) response.shouldKeepAlive = false;
    this.#open.add(response);
    this.#slowBodies.add(request);
    this.#journal.open(response, requestId);
    this.#app.routing(request, response);
  }

  #explain(error: unknown, { id: requestId, raw }: FastifyRequest): WireError {
    const { log, config } = this.#options;
    const traceId = this.#traces.of(raw)?.traceId;
    const explained = toWireError(error, log, { requestId, traceId });
    if (explained.code !== 'payload_too_large') return explained;
    return wireError(explained.code, `The body must not exceed ${config.http.maxBodyBytes} bytes`);
  }

  /** One look for all who ask meanwhile: anybody may, and each asks Postgres. */
  async #findNotReady(): Promise<readonly string[]> {
    if (this.#isDraining) return ['the server is shutting down'];
    this.#checking ??= this.#checkHealth();
    return this.#checking;
  }

  async #checkHealth(): Promise<readonly string[]> {
    try {
      return await this.#options.health();
    } finally {
      this.#checking = null;
    }
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    this.#options.log.debug({ error_code: error.code }, 'malformed request');
    if (socket.writable && error.code !== 'ECONNRESET' && this.#open.mayRefuse(socket)) {
      refuseConnection(socket, error);
    } else {
      socket.destroy();
    }
  }
}

interface RouteContext {
  readonly gateway: Gateway;
  readonly traces: RequestTraces;
}

function addRoute(api: FastifyInstance, route: ApiRoute, { gateway, traces }: RouteContext): void {
  const { method, path, status = 200, handle } = route;
  api.route({
    method,
    url: path,
    handler: async (request, reply) => {
      const { query, body } = request;
      const params = request.params as Record<string, string>;
      const principal = request.getDecorator<Principal>('principal');
      const trace = traces.of(request.raw);
      const result = await handle(gateway, { principal, params, query, body, trace });
      if (!result.ok) return sendProblem(reply, result.error);
      return reply.code(status).type('application/json').send(result.value);
    },
  });
}

async function refuseParticipants(
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  const { kind } = request.getDecorator<Principal>('principal');
  return kind === 'service'
    ? undefined
    : sendProblem(reply, wireError('forbidden', 'Metrics are for the service'));
}
