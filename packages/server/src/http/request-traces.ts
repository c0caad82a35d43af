import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Trace, Tracing } from '../observability/tracing.ts';

/** The traces of the API's open requests, by what Node knows of them. */
export class RequestTraces {
  readonly #tracing: Tracing;
  readonly #traces = new WeakMap<IncomingMessage, Trace>();

  constructor(tracing: Tracing) {
    this.#tracing = tracing;
  }

  /** Begins with the request's arrival. Called once its caller is known: strangers are not traced. */
  begin(request: FastifyRequest, reply: FastifyReply): void {
    const { method, headers, routeOptions } = request;
    // The pattern, which is ours: a path holds whatever the caller likes.
    const { url: route } = routeOptions;
    if (!this.#tracing.isOn || route === undefined) return;
    const beganMs = performance.now() - reply.elapsedTime;
    const trace = this.#tracing.begin(`${method} ${route}`, { beganMs, headers });
    if (trace === null) return;
    if (trace.isRecorded) trace.add({ 'http.request.method': method, 'http.route': route });
    this.#traces.set(request.raw, trace);
  }

  of(request: IncomingMessage): Trace | null {
    return (this.#tracing.isOn && this.#traces.get(request)) || null;
  }

  /** The response is written, or its connection gone. A refusal (4xx) is no fault of a server's span. */
  end(request: IncomingMessage, { status, isAnswered }: { status: number; isAnswered: boolean }): void {
    const trace = this.of(request);
    if (trace?.isRecorded) trace.add({ 'http.response.status_code': status });
    const errorCode = status >= 500 ? String(status) : null;
    trace?.end(isAnswered ? errorCode : 'connection_closed');
  }
}
