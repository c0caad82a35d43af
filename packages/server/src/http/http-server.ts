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
import { fail, type Result } from '../lib/result.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Load } from '../runtime/load-monitor.ts';
import { findForeign, readCredentials } from './api-guard.ts';
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
import { addHealthRoutes, type Health } from './routes/health.ts';
import { inboxRoutes } from './routes/inbox.ts';
import { memberRoutes } from './routes/members.ts';
import { messageRoutes } from './routes/messages.ts';
import { addMetricsRoute } from './routes/metrics.ts';
import { participantRoutes } from './routes/participants.ts';
import { readRoutes } from './routes/read.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { addSocketRoute } from './routes/socket.ts';
import { startListening } from './start-listening.ts';

export interface HttpServerOptions {
  readonly config: Pick<Config, 'auth' | 'http' | 'ops'>;
  readonly gateway: Gateway;
  readonly authenticator: Authenticator;
  readonly rates: CallerRates;
  readonly load: Load;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly log: Log;
  /** For tests: seconds are long. */
  readonly timeouts?: Partial<HttpTimeouts>;
}

/** Ids in paths: one that is too long for an id must reach its route, which answers as for one that is absent. */
const maxParamLength = 16 << 10;

/** The status of a request whose client went away before its answer, as nginx counts it. */
const clientGone = 499;

const tooManyRefused =
  'Too many refused identities came from this address: correct the token, then try again';

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
  readonly #open = new OpenRequests();
  /** Which route serves a request: known between its first hook and its end. */
  readonly #routes = new WeakMap<IncomingMessage, string>();
  #isDraining = false;
  #closing: Promise<void> | null = null;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    const timeouts = { ...defaultTimeouts, ...options.timeouts };
    const { maxConnections } = options.config.http;
    this.server = createNodeServer({ timeouts, maxConnections }, (request, response) =>
      this.#receive(request, response),
    );
    this.#app = this.#createApp();
  }

  /** Starts to serve; port 0 takes a free one. */
  async listen(listen: Listen): Promise<AddressInfo> {
    await this.#app.ready();
    return startListening(this.server, listen);
  }

  /**
   * Refuses API calls with 503 from now on, asks clients to close their connections, and waits for the calls
   * that were open. Aborted: waits no longer.
   */
  async drain(signal?: AbortSignal): Promise<void> {
    this.#isDraining = true;
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
    const { promise, resolve } = Promise.withResolvers<void>();
    this.server.close(() => resolve());
    this.server.closeAllConnections();
    await promise;
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
        void sendProblem(reply, toWireError(error, log, request.id));
      },
    });
    acceptJsonOnly(app);
    app.setErrorHandler((error, request, reply) => sendProblem(reply, this.#explain(error, request.id)));
    app.setNotFoundHandler(sendNotFound);
    app.addHook('onRequest', (request, _reply, done) => this.#noteRoute(request, done));
    app.decorateRequest('principal', null);
    addHealthRoutes(app, () => this.#findNotReady(), log);
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
    const routes = [participantRoutes, sessionRoutes, memberRoutes, messageRoutes, readRoutes, inboxRoutes];
    for (const route of routes.flatMap((make) => make(gateway))) addRoute(api, route);
  }

  /** For the service alone; also when the node is full or drains, since that is when they are wanted. */
  #addMetrics(scope: FastifyInstance): void {
    scope.addHook('onRequest', (request, reply) => this.#admit(request, reply, null));
    scope.addHook('onRequest', refuseParticipants);
    addMetricsRoute(scope, this.#options.metrics);
  }

  #noteRoute({ raw, is404, routeOptions }: FastifyRequest, done: () => void): void {
    if (!is404 && routeOptions.url !== undefined) this.#routes.set(raw, routeOptions.url);
    done();
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
    const foreign = findForeign(request.headers, this.#options.config.auth);
    if (foreign !== null) return sendProblem(reply, foreign);
    allowOrigin(request, reply);
    if (isPreflight(request)) return answerPreflight(reply);
    if (busy !== null) return sendProblem(reply, busy);
    const caller = await this.#identify(request.raw);
    if (!caller.ok) return sendProblem(reply, caller.error);
    request.setDecorator<Principal>('principal', caller.value);
    return undefined;
  }

  /** Who is calling, if it may call now. */
  async #identify(request: IncomingMessage): Promise<Result<Principal>> {
    const { authenticator, rates } = this.#options;
    const credentials = readCredentials(request.headers);
    if (!credentials.ok) return credentials;
    if (!rates.addresses.mayIdentify(request)) return fail(wireError('rate_limited', tooManyRefused));
    const identified = await authenticator.authenticate(credentials.value);
    if (!identified.ok) rates.addresses.refused(request);
    else if (!rates.participants.mayCall(identified.value)) return fail(wireError('rate_limited'));
    return identified;
  }

  /** Every request comes through here first, also one that Fastify refuses before its hooks. */
  #receive(request: IncomingMessage, response: ServerResponse): void {
    const startedMs = performance.now();
    const requestId = nameRequest(request);
    const method = request.method ?? '';
    const path = (request.url ?? '').split('?', 1)[0];
    setCommonHeaders(response, requestId);
    if (this.#isDraining) response.shouldKeepAlive = false;
    this.#open.add(response);
    response.once('close', () => {
      const durationMs = performance.now() - startedMs;
      this.#countRequest(response, durationMs);
      const { statusCode: status, writableFinished: isAnswered } = response;
      const line = {
        request_id: requestId,
        method,
        path,
        status,
        is_answered: isAnswered,
        duration_ms: Math.round(durationMs * 10) / 10,
      };
      if (status >= 500) this.#options.log.info(line, 'request');
      else this.#options.log.debug(line, 'request');
    });
    this.#app.routing(request, response);
  }

  #countRequest({ req, statusCode, writableFinished }: ServerResponse, durationMs: number): void {
    const { metrics } = this.#options;
    const { method = '' } = req;
    const route = this.#routes.get(req) ?? null;
    metrics.requestAnswered({
      method,
      route,
      status: writableFinished ? statusCode : clientGone,
      durationMs,
    });
    if (statusCode === 429) metrics.rateLimited('request');
  }

  #explain(error: unknown, requestId: string): WireError {
    const { log, config } = this.#options;
    const explained = toWireError(error, log, requestId);
    if (explained.code !== 'payload_too_large') return explained;
    return wireError(explained.code, `The body must not exceed ${config.http.maxBodyBytes} bytes`);
  }

  async #findNotReady(): Promise<readonly string[]> {
    return this.#isDraining ? ['the server is shutting down'] : this.#options.health();
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

function addRoute(api: FastifyInstance, { method, path, handle }: ApiRoute): void {
  api.route({
    method,
    url: path,
    handler: async (request, reply) => {
      const { query, body } = request;
      const params = request.params as Record<string, string>;
      const principal = request.getDecorator<Principal>('principal');
      const result = await handle({ principal, params, query, body });
      if (!result.ok) return sendProblem(reply, result.error);
      return reply.code(result.value.status).type('application/json').send(result.value.json);
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
