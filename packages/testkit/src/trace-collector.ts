import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as a test looks at it: attributes by name, times in milliseconds since 1970. */
export interface CollectedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined for the root of a trace that began at the server. */
  readonly parentSpanId: string | undefined;
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly isError: boolean;
  readonly startMs: number;
  readonly endMs: number;
}

/** What takes OTLP over HTTP, as JSON: it keeps every span that is posted to it. */
export class TraceCollector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = [];
  /** Of the resource that sent the last spans. */
  resource: Readonly<Record<string, unknown>> = {};
  /** Bodies as they came. */
  readonly texts: string[] = [];
  readonly requests: Pick<IncomingMessage, 'method' | 'url' | 'headers'>[] = [];
  /** What the next requests are answered with, before 200. */
  readonly statuses: number[] = [];
  /** Set: nothing is answered. */
  isSilent = false;
  /** Set: answers go on until the exporter hangs up. */
  isEndless = false;
  /** Of each endless answer that was cut: how much of it was written. */
  readonly cutAnswers: number[] = [];
  readonly #http: Server;

  static async start(): Promise<TraceCollector> {
    const collector = new TraceCollector();
    const { promise, resolve } = Promise.withResolvers<void>();
    collector.#http.listen(0, '127.0.0.1', () => resolve());
    await promise;
    return collector;
  }

  private constructor() {
    this.#http = createServer(async (request, response) => {
      const { method, url, headers } = request;
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      this.requests.push({ method, url, headers });
      if (this.isSilent) return;
      const status = this.statuses.shift() ?? 200;
      if (status === 200) this.#take(Buffer.concat(chunks).toString());
      response.writeHead(status, { 'content-type': 'application/json' });
      if (this.isEndless) this.#answerWithoutEnd(response);
      else response.end('{}');
    });
  }

  #answerWithoutEnd(response: ServerResponse): void {
    const block = Buffer.alloc(64 << 10, ' ');
    let written = 0;
    const write = () => {
      do written += block.length;
      while (response.write(block));
    };
    response.on('drain', write);
    response.on('close', () => this.cutAnswers.push(written));
    write();
  }

  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  /** The spans of a trace, as they began. */
  trace(traceId: string): CollectedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId).sort((a, b) => a.startMs - b.startMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#http.close(() => resolve());
    this.#http.closeAllConnections();
    await promise;
  }

  #take(text: string): void {
    this.texts.push(text);
    for (const { resource, scopeSpans } of JSON.parse(text).resourceSpans) {
      this.resource = toRecord(resource.attributes);
      for (const { spans } of scopeSpans) this.spans.push(...spans.map(toSpan));
    }
  }
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number | string };
}

interface OtlpSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly attributes: readonly OtlpAttribute[];
  readonly status: { readonly code: number };
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}

/** https://opentelemetry.io/docs/specs/otlp/: `STATUS_CODE_ERROR`. */
const statusError = 2;

function toSpan({
  startTimeUnixNano,
  endTimeUnixNano,
  attributes,
  status,
  ...span
}: OtlpSpan): CollectedSpan {
  const { name, traceId, spanId, parentSpanId, kind } = span;
  return {
    name,
    traceId,
    spanId,
    parentSpanId,
    kind,
    attributes: toRecord(attributes),
    isError: status.code === statusError,
    startMs: toMs(startTimeUnixNano),
    endMs: toMs(endTimeUnixNano),
  };
}

function toRecord(attributes: readonly OtlpAttribute[]): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]),
  );
}

/** Nanoseconds since 1970 are more than a number holds. */
function toMs(nanoseconds: string): number {
  return Number(BigInt(nanoseconds) / 1_000n) / 1_000;
}
