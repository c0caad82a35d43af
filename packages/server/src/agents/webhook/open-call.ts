import {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as startRequest,
} from 'node:http';
import type { Socket } from 'node:net';
import { version } from '../../lib/version.ts';
import { CallFailed, type CallFailure, callFailure } from '../call-failure.ts';
import { CallClock, type Wait } from './call-clock.ts';
import { guardedConnect } from './guarded-connect.ts';
import { failureOfError, findRefusal } from './http-failure.ts';
import { maxExcerptBytes, toExcerpt } from './response-excerpt.ts';
import { signatureHeaders } from './signature.ts';
import type { WebhookCall, WebhookClientOptions } from './webhook-client.ts';

export interface Answer {
  readonly kind: 'answered';
  /** 200 to 299. */
  readonly status: number;
  readonly contentType: string | undefined;
  /** To be read once. Rejects with a `CallFailed`; leaving it early closes the connection. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The body has neither a length nor chunks: that its sender has died cannot be told from its end. */
  readonly endsWithConnection: boolean;
  /** Closes the connection; what has not been read is lost. */
  close(): void;
}

export type CallOutcome =
  | Answer
  | { readonly kind: 'failed'; readonly failure: CallFailure; readonly excerpt: string };

/** A handshake across the world takes one; who needs more is not there. */
const connectMs = 5_000;
/** How long an error's text is waited for, once its status has come. */
const excerptMs = 1_000;
/** Node's own default for servers; answers of agents have a few hundred bytes. */
const maxHeaderBytes = 16 << 10;
/** 100 and 103 are sent once or twice. Each one costs a parser's round, and they could come for ever. */
const maxInformational = 16;

const tooManyInformational = callFailure(
  'invalid_http',
  `sent more than ${maxInformational} informational answers`,
);
const aborted = callFailure('aborted', 'the call was aborted');
/** The reader has all, or wants no more: nobody is told. */
const ended = callFailure('aborted', 'the answer has been read');

/**
 * One call under way: connecting, then waiting for headers, then streaming. It ends once, by its answer's end, a
 * failure, its clock or its caller, and whatever ends it closes the socket. Made and run by `WebhookClient`.
 */
export class OpenCall {
  readonly #url: URL;
  readonly #call: WebhookCall;
  readonly #options: WebhookClientOptions;
  readonly #clock: CallClock;
  /** Aborted with a `CallFailed` by whatever cuts the call short: that is the reason, whatever the socket says. */
  readonly #cut = new AbortController();
  readonly #onAbort = () => this.#end(aborted);

  constructor(url: URL, call: WebhookCall, options: WebhookClientOptions) {
    this.#url = url;
    this.#call = call;
    this.#options = options;
    this.#clock = new CallClock(call.limits.maxDurationMs, (wait, ms) => this.#expire(wait, ms));
  }

  async run(): Promise<CallOutcome> {
    const { signal, limits } = this.#call;
    signal.addEventListener('abort', this.#onAbort, { once: true });
    if (signal.aborted) this.#onAbort();
    try {
      this.#clock.await('connect_timeout', Math.min(connectMs, limits.firstChunkMs));
      const socket = await guardedConnect(this.#url, { ...this.#options, signal: this.#cut.signal });
      this.#clock.await('first_chunk_timeout', limits.firstChunkMs - this.#clock.elapsedMs);
      return await this.#outcomeOf(await this.#send(socket));
    } catch (error) {
      const failure = this.#toFailure(error);
      this.#end(failure);
      return { kind: 'failed', failure, excerpt: '' };
    }
  }

  #send(socket: Socket): Promise<IncomingMessage> {
    const request = startRequest({
      // With a connection of its own there is no agent, and so neither pool nor proxy.
      createConnection: () => socket,
      method: 'POST',
      path: `${this.#url.pathname}${this.#url.search}`,
      headers: this.#headers(),
      maxHeaderSize: maxHeaderBytes,
      insecureHTTPParser: false,
    });
    const response = this.#responseTo(request);
    request.end(this.#call.body);
    return response;
  }

  #responseTo(request: ClientRequest): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    // A request whose socket is taken away, by an upgrade for one, says nothing.
    this.#cut.signal.addEventListener('abort', () => reject(this.#cut.signal.reason));
    let response: IncomingMessage | undefined;
    request.on('response', (begun) => {
      response = begun;
      resolve(begun);
    });
    // The response only learns that it was cut. Bytes behind its end are an error too, which nobody need know.
    request.on('error', (error) => {
      if (!response?.complete) this.#end(failureOfError(error));
    });
    request.on('upgrade', () => this.#end(callFailure('invalid_http', 'answered with another protocol')));
    let informational = 0;
    request.on('information', () => {
      informational += 1;
      if (informational > maxInformational) this.#end(tooManyInformational);
    });
    return promise;
  }

  #headers(): Record<string, string | number> {
    const { body, headers, traceparent } = this.#call;
    return {
      ...headers,
      host: this.#url.host,
      'user-agent': `FleetLM/${version}`,
      'content-type': 'application/json',
      'content-length': body.length,
      accept: 'text/event-stream, application/x-ndjson, application/json, text/plain',
      // Compressing a stream makes its chunks late, and what is inflated has no size that its bytes tell.
      'accept-encoding': 'identity',
      ...(traceparent !== undefined && { traceparent }),
      ...signatureHeaders({ ...this.#call, timestampSeconds: Math.floor(Date.now() / 1_000) }),
    };
  }

  async #outcomeOf(response: IncomingMessage): Promise<CallOutcome> {
    // Read or not, a connection that breaks must not end the process.
    response.on('error', () => {});
    const failure = findRefusal(response, Date.now());
    if (failure !== null) {
      const excerpt = await this.#excerptOf(response);
      return { kind: 'failed', failure: this.#call.signal.aborted ? aborted : failure, excerpt };
    }
    this.#clock.hold();
    return {
      kind: 'answered',
      status: response.statusCode!,
      contentType: response.headers['content-type'],
      body: this.#read(response),
      endsWithConnection: !isDelimited(response.headers),
      close: () => this.#end(ended),
    };
  }

  async *#read(response: IncomingMessage): AsyncGenerator<Uint8Array> {
    let isFirst = true;
    try {
      this.#clock.release();
      for await (const bytes of response) {
        if (isFirst) this.#clock.await('idle_timeout', this.#call.limits.idleMs);
        isFirst = false;
        this.#clock.hold();
        // The end may have come while the reader was busy with bytes that had arrived before it.
        this.#cut.signal.throwIfAborted();
        yield bytes;
        this.#clock.restart();
      }
      // To the parser a reset ends a body without a length as well as a close does.
      this.#cut.signal.throwIfAborted();
    } catch (error) {
      throw new CallFailed(this.#toFailure(error));
    } finally {
      this.#end(ended);
    }
  }

  async #excerptOf(response: IncomingMessage): Promise<string> {
    const parts: Uint8Array[] = [];
    let size = 0;
    this.#clock.await('idle_timeout', excerptMs);
    try {
      for await (const bytes of response) {
        parts.push(bytes);
        size += bytes.length;
        if (size >= maxExcerptBytes) break;
      }
    } catch {
      // What came until then is the excerpt.
    } finally {
      this.#end(ended);
    }
    return toExcerpt(Buffer.concat(parts));
  }

  #expire(wait: Wait, ms: number): void {
    const what = wait === 'duration_exceeded' ? 'not complete' : 'nothing came';
    this.#end(callFailure(wait, `${what} within ${ms} ms`));
  }

  /** Once: what comes first is the reason. The socket goes with it. */
  #end(failure: CallFailure): void {
    this.#cut.abort(new CallFailed(failure));
    this.#clock.stop();
    this.#call.signal.removeEventListener('abort', this.#onAbort);
  }

  #toFailure(error: unknown): CallFailure {
    const reason = this.#cut.signal.reason ?? error;
    return reason instanceof CallFailed ? reason.failure : failureOfError(reason as NodeJS.ErrnoException);
  }
}

/** By RFC 9112, 6.3; a transfer coding without `chunked` at its end is over when the connection is. */
function isDelimited(headers: IncomingHttpHeaders): boolean {
  const coding = headers['transfer-encoding'];
  return coding === undefined ? headers['content-length'] !== undefined : /\bchunked\s*$/i.test(coding);
}
