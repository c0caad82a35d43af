import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyRequest } from 'fastify';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { RequestTraces } from './request-traces.ts';

export interface RequestJournalOptions {
  readonly traces: RequestTraces;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** The status of a request whose client went away before its answer, as nginx counts it. */
const clientGone = 499;

/** What is told of each request once it is over: metrics, a line of the log, the end of its trace. */
export class RequestJournal {
  readonly #options: RequestJournalOptions;
  /** Which route serves a request: known between its first hook and its end. */
  readonly #routes = new WeakMap<IncomingMessage, string>();
  /** Requests that last as long as a stream of an agent. */
  readonly #streams = new WeakSet<IncomingMessage>();

  constructor(options: RequestJournalOptions) {
    this.#options = options;
  }

  noteRoute({ raw, is404, routeOptions }: FastifyRequest): void {
    if (!is404 && routeOptions.url !== undefined) this.#routes.set(raw, routeOptions.url);
  }

  /** How long it takes says nothing of us, and its reader may leave when it likes. */
  noteStream({ raw }: FastifyRequest): void {
    this.#streams.add(raw);
  }

  /** Takes a request that has just come; it is over when its response is written, or its connection gone. */
  open(response: ServerResponse, requestId: string): void {
    const startedMs = performance.now();
    const { req: request } = response;
    const method = request.method ?? '';
    const path = (request.url ?? '').split('?', 1)[0];
    response.once('close', () => {
      const durationMs = performance.now() - startedMs;
      this.#count(response, durationMs);
      const { traces, log } = this.#options;
      const { statusCode: status } = response;
      const isAnswered = this.#isAnswered(response);
      const line = {
        request_id: requestId,
        trace_id: traces.of(request)?.traceId,
        method,
        path,
        status,
        is_answered: isAnswered,
        duration_ms: Math.round(durationMs * 10) / 10,
      };
      traces.end(request, { status, isAnswered });
      if (status >= 500) log.info(line, 'request');
      else log.debug(line, 'request');
    });
  }

  #isAnswered({ req, headersSent, writableFinished }: ServerResponse): boolean {
    return writableFinished || (headersSent && this.#streams.has(req));
  }

  #count(response: ServerResponse, durationMs: number): void {
    const { metrics } = this.#options;
    const { req, statusCode } = response;
    const { method = '' } = req;
    const route = this.#routes.get(req) ?? null;
    const status = this.#isAnswered(response) ? statusCode : clientGone;
    metrics.requestAnswered({
      method,
      route,
      status,
      durationMs: this.#streams.has(req) ? null : durationMs,
    });
    if (statusCode === 429) metrics.rateLimited('request');
  }
}
