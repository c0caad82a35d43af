import type { IncomingHttpHeaders } from 'node:http';
import type { Config } from '../config/config.ts';
import type { Log } from '../lib/log.ts';

/** What a span says of itself: ids, codes and numbers. Never content, tokens, or what participants have written. */
export type Attributes = Readonly<Record<string, string | number>>;

/** Records what becomes of frames and requests, and exports it. */
export interface Tracing {
  /** Hot paths ask this first: off, there is nothing else to do. */
  readonly isOn: boolean;
  /** Begins the trace of a frame or a request; null when tracing is off, or this one was not chosen. */
  begin(name: string, origin?: TraceOrigin): Trace | null;
  /** Exports what is left, for as long as a stop may wait for that. */
  stop(): Promise<void>;
}

export interface TraceOrigin {
  /** By `performance.now()`; now, if it is left out. */
  readonly beganMs?: number;
  /** May hold the caller's `traceparent`: then its trace goes on here. */
  readonly headers?: IncomingHttpHeaders;
  /** It is a call of ours: the trace goes on with whoever is called. */
  readonly isCall?: boolean;
}

/** A frame or request and all that comes of it. It travels with them: lanes serve many at once. */
export interface Trace {
  readonly traceId: string;
  /** For whom we call: W3C Trace Context. */
  readonly traceparent: string;
  /** Whether it will be exported: its caller may have decided that it is not. Only then attributes are worth making. */
  readonly isRecorded: boolean;
  add(attributes: Attributes): void;
  /** Begins the part of an append; null when nothing is recorded. */
  beginAppend(sessionId: string): AppendTrace | null;
  /** The frame or request is answered; an error is told by its code. Only the first end counts. */
  end(errorCode: string | null): void;
}

/** One append in a trace: `PendingAppend` holds it until its outcome, its lane until the broadcast. */
export interface AppendTrace {
  /** A transaction with this append has ended. */
  commit(transaction: TracedTransaction): void;
  /** After the commit: the batch's messages were handed to their readers here. */
  broadcast(beganMs: number, endedMs: number): void;
  end(outcome: AppendEnd): void;
}

/** A batch's transaction, by `performance.now()`; `failure` null: it was committed. */
export interface TracedTransaction {
  readonly beganMs: number;
  readonly endedMs: number;
  readonly batchSize: number;
  readonly failure: string | null;
}

/** What an append came to. */
export interface AppendEnd {
  readonly outcome: string;
  readonly isError: boolean;
  /** Of the stored message. */
  readonly seq: number | null;
}

/** Without an exporter: nothing is recorded, and nothing of OpenTelemetry is loaded. */
export const noTracing: Tracing = {
  isOn: false,
  begin: () => null,
  stop: () => Promise.resolve(),
};

/** Tracing to the configured collector, or `noTracing`. */
export async function createTracing(config: Config['tracing'], log: Log): Promise<Tracing> {
  const { endpoint } = config;
  if (endpoint === null) return noTracing;
  const { OtlpTracing } = await import('./otlp-tracing.ts');
  return new OtlpTracing({ ...config, endpoint }, log);
}
