import { setTimeout as sleep } from 'node:timers/promises';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import type { Log } from '../lib/log.ts';

export interface OtlpExporterOptions {
  readonly endpoint: string;
  readonly headers: Iterable<[name: string, value: string]>;
  readonly log: Log;
}

/** A collector that has not answered by then is as good as none. */
const answerMs = 5_000;
/** An answer is a few words; a collector that goes on and on would fill our memory. */
const maxAnswerBytes = 64 << 10;

/** A collector restarts within this; meanwhile spans gather in the processor's queue, which has a bound. */
const retryDelaysMs = [500, 4_000];

/** By OTLP/HTTP only these may be sent again. */
const retryableStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** A collector that is gone may stay so for hours. */
const warningIntervalMs = 60_000;

/**
 * Posts spans to a collector, as JSON. What cannot be exported is dropped and counted: a trace is worth no memory.
 *
 * OpenTelemetry's own exporter would read the environment, could not be cut off at a stop, and reports failures to
 * a handler of the whole process.
 */
export class OtlpExporter implements SpanExporter {
  readonly #options: OtlpExporterOptions;
  readonly #headers: Headers;
  readonly #abort = new AbortController();
  #lostSpans = 0;
  #warnedMs = Number.NEGATIVE_INFINITY;

  constructor(options: OtlpExporterOptions) {
    this.#options = options;
    this.#headers = new Headers([...options.headers]);
    this.#headers.set('content-type', 'application/json');
  }

  /** Always a success to the processor, which would throw into the process otherwise. */
  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.#send(spans)
      .catch((error: unknown) => this.#lose(spans.length, error))
      .finally(() => done({ code: ExportResultCode.SUCCESS }));
  }

  /** Gives up whatever is under way. */
  cut(): void {
    this.#abort.abort(new Error('the server stops'));
  }

  async shutdown(): Promise<void> {
    this.cut();
  }

  async #send(spans: ReadableSpan[]): Promise<void> {
    const body = JsonTraceSerializer.serializeRequest(spans);
    if (body === undefined) throw new Error('the spans cannot be written as JSON');
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#post(body);
      } catch (error) {
        const delayMs = retryDelaysMs[attempt];
        if (delayMs === undefined || (error instanceof Refused && !error.isRetryable)) throw error;
        await sleep(delayMs, undefined, { signal: this.#abort.signal });
      }
    }
  }

  async #post(body: Uint8Array): Promise<void> {
    const response = await fetch(this.#options.endpoint, {
      method: 'POST',
      headers: this.#headers,
      body: body as Uint8Array<ArrayBuffer>,
      // The address is configuration, and the headers hold a secret.
      redirect: 'error',
      signal: AbortSignal.any([this.#abort.signal, AbortSignal.timeout(answerMs)]),
    });
    await dropBody(response);
    if (!response.ok) throw new Refused(response.status);
  }

  #lose(count: number, error: unknown): void {
    this.#lostSpans += count;
    const nowMs = performance.now();
    if (nowMs - this.#warnedMs < warningIntervalMs) return;
    this.#options.log.warn({ err: error, lost_spans: this.#lostSpans }, 'traces cannot be exported');
    this.#warnedMs = nowMs;
    this.#lostSpans = 0;
  }
}

class Refused extends Error {
  readonly isRetryable: boolean;

  constructor(status: number) {
    super(`the collector answered ${status}`);
    this.name = 'Refused';
    this.isRetryable = retryableStatuses.has(status);
  }
}

/** Reads an answer to its end, so that the connection serves again; hangs up on one that is too long. */
async function dropBody({ body }: Response): Promise<void> {
  let leftBytes = maxAnswerBytes;
  for await (const chunk of body ?? []) {
    leftBytes -= chunk.length;
    if (leftBytes < 0) throw new Error(`the collector's answer has more than ${maxAnswerBytes} bytes`);
  }
}
