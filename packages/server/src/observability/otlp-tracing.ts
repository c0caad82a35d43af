import { randomUUID } from 'node:crypto';
import {
  type Context,
  defaultTextMapGetter,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace as traceApi,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Config } from '../config/config.ts';
import type { Log } from '../lib/log.ts';
import { OtlpExporter } from './otlp-exporter.ts';
import type {
  AppendEnd,
  AppendTrace,
  Attributes,
  Trace,
  TracedTransaction,
  TraceOrigin,
  Tracing,
} from './tracing.ts';

/** Four spans of each message of four full batches: some 10 MiB, which is all that a dead collector costs. */
const maxQueuedSpans = 8_192;

/** Their JSON is made in one go, within a few milliseconds. */
const maxExportedSpans = 512;

/** A stop waits this long for a collector: one that is there has answered by then, wherever it is. */
const stopMs = 1_500;

/** Less is what two clocks that are read one after the other differ by. */
const maxClockErrorMs = 50;

const propagator = new W3CTraceContextPropagator();

/** Tracing by the OpenTelemetry SDK. It owns the exporter and the bounded queue before it. */
export class OtlpTracing implements Tracing {
  readonly isOn = true;
  readonly #exporter: OtlpExporter;
  readonly #provider: TracerProvider;
  readonly #tracer: Tracer;
  readonly #clock = new WallClock();
  readonly #ratio: number;

  constructor(config: Config['tracing'] & { readonly endpoint: string }, log: Log) {
    const { endpoint, headers, serviceName, ratio, delayMs } = config;
    this.#ratio = ratio;
    const identity = { 'service.name': serviceName, 'service.instance.id': randomUUID() };
    this.#exporter = new OtlpExporter({ endpoint, headers, log });
    this.#provider = new TracerProvider({
      resource: defaultResource().merge(resourceFromAttributes(identity)),
      // Its sampler is the usual one: what begins here is recorded, else the caller has decided.
      spanProcessors: [
        new BatchSpanProcessor({
          exporter: this.#exporter,
          maxQueueSize: maxQueuedSpans,
          maxExportBatchSize: maxExportedSpans,
          scheduledDelayMillis: delayMs,
        }),
      ],
    });
    this.#tracer = this.#provider.getTracer('fleetlm');
  }

  begin(
    name: string,
    { beganMs = performance.now(), headers, isCall = false }: TraceOrigin = {},
  ): Trace | null {
    const origin =
      headers === undefined ? ROOT_CONTEXT : propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
    // Here, and not by the SDK's sampler: what is not chosen costs no ids, and a hundred times as much is not.
    if (origin === ROOT_CONTEXT && Math.random() >= this.#ratio) return null;
    this.#clock.adjust();
    const startTime = this.#clock.at(beganMs);
    const kind = isCall ? SpanKind.CLIENT : SpanKind.SERVER;
    const span = this.#tracer.startSpan(name, { kind, startTime }, origin);
    return new SpanTrace(span, this.#tracer, this.#clock);
  }

  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#exporter.cut(), stopMs);
    await this.#provider.shutdown();
    clearTimeout(timer);
  }
}

/**
 * The time of day for times by `performance.now()`. Spans of one trace share one relation between the two, or a
 * child of half a millisecond would begin before its parent; it is made anew when the clock was set.
 */
class WallClock {
  #originMs = Date.now() - performance.now();

  adjust(): void {
    const originMs = Date.now() - performance.now();
    if (Math.abs(originMs - this.#originMs) > maxClockErrorMs) this.#originMs = originMs;
  }

  at(ms: number): number {
    return this.#originMs + ms;
  }

  now(): number {
    return this.at(performance.now());
  }
}

class SpanTrace implements Trace {
  readonly #span: Span;
  readonly #tracer: Tracer;
  readonly #clock: WallClock;

  constructor(span: Span, tracer: Tracer, clock: WallClock) {
    this.#span = span;
    this.#tracer = tracer;
    this.#clock = clock;
  }

  get traceId(): string {
    return this.#span.spanContext().traceId;
  }

  get traceparent(): string {
    const { traceId, spanId, traceFlags } = this.#span.spanContext();
    return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
  }

  get isRecorded(): boolean {
    return this.#span.isRecording();
  }

  add(attributes: Attributes): void {
    this.#span.setAttributes(attributes);
  }

  beginAppend(sessionId: string): AppendTrace | null {
    if (!this.isRecorded) return null;
    const options = { startTime: this.#clock.now(), attributes: { 'fleetlm.session_id': sessionId } };
    const span = this.#tracer.startSpan('append', options, contextOf(this.#span));
    return new AppendSpan(span, this.#tracer, this.#clock);
  }

  end(errorCode: string | null): void {
    if (!this.isRecorded) return;
    if (errorCode !== null) markError(this.#span, errorCode);
    this.#span.end(this.#clock.now());
  }
}

class AppendSpan implements AppendTrace {
  readonly #span: Span;
  readonly #tracer: Tracer;
  readonly #clock: WallClock;
  #commit: Span | null = null;

  constructor(span: Span, tracer: Tracer, clock: WallClock) {
    this.#span = span;
    this.#tracer = tracer;
    this.#clock = clock;
  }

  commit({ beganMs, endedMs, batchSize, failure }: TracedTransaction): void {
    const options = {
      startTime: this.#clock.at(beganMs),
      attributes: { 'fleetlm.batch_size': batchSize },
    };
    this.#commit = this.#tracer.startSpan('commit', options, contextOf(this.#span));
    if (failure !== null) markError(this.#commit, failure);
    this.#commit.end(this.#clock.at(endedMs));
  }

  broadcast(beganMs: number, endedMs: number): void {
    const startTime = this.#clock.at(beganMs);
    const parent = contextOf(this.#commit ?? this.#span);
    this.#tracer.startSpan('broadcast', { startTime }, parent).end(this.#clock.at(endedMs));
  }

  end({ outcome, isError, seq }: AppendEnd): void {
    this.#span.setAttribute('fleetlm.outcome', outcome);
    if (seq !== null) this.#span.setAttribute('fleetlm.seq', seq);
    if (isError) markError(this.#span, outcome);
    this.#span.end(this.#clock.now());
  }
}

function contextOf(span: Span): Context {
  return traceApi.setSpan(ROOT_CONTEXT, span);
}

function markError(span: Span, code: string): void {
  span.setAttribute('error.type', code);
  span.setStatus({ code: SpanStatusCode.ERROR });
}
