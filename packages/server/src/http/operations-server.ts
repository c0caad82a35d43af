import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { setCommonHeaders } from './common-headers.ts';
import { type Listen, opsVariables } from './listen-error.ts';
import { createNodeServer, defaultTimeouts } from './node-server.ts';
import { sendNotFound, sendProblem, toWireError } from './problem.ts';
import { nameRequest, requestIdHeader } from './request-id.ts';
import { addHealthRoutes, type Health } from './routes/health.ts';
import { addMetricsRoute } from './routes/metrics.ts';
import { startListening } from './start-listening.ts';

export interface OperationsServerOptions {
  readonly health: Health;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Some probes and scrapers, each with a connection or two. */
const maxConnections = 64;

/**
 * `FLEETLM_OPS_PORT`: `/health` and `/metrics` for whoever reaches it, and nothing else. It listens before anything
 * else of the server is there, and goes as the last: a start and a drain can be watched.
 */
export class OperationsServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #app: FastifyInstance;

  constructor({ health, metrics, log }: OperationsServerOptions) {
    this.#server = createNodeServer({ timeouts: defaultTimeouts, maxConnections }, (request, response) =>
      this.#receive(request, response),
    );
    const explain = (error: unknown, request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(reply, toWireError(error, log, request.id));
    this.#app = fastify({
      serverFactory: () => this.#server,
      requestIdHeader,
      frameworkErrors: (error, request, reply) => void explain(error, request, reply),
    });
    this.#app.setErrorHandler(explain);
    this.#app.setNotFoundHandler(sendNotFound);
    addHealthRoutes(this.#app, health, log);
    addMetricsRoute(this.#app, metrics);
  }

  async listen(listen: Listen): Promise<AddressInfo> {
    await this.#app.ready();
    return startListening(this.#server, listen, opsVariables);
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
    await this.#app.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    setCommonHeaders(response, nameRequest(request));
    this.#app.routing(request, response);
  }
}
