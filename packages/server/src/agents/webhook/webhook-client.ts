import { callFailure } from '../call-failure.ts';
import type { AddressGuard } from './address-guard.ts';
import type { EndpointHeaders } from './endpoint-headers.ts';
import { type CallOutcome, OpenCall } from './open-call.ts';
import type { ResolveHost } from './resolve-host.ts';
import type { SigningKey } from './signature.ts';

/** One attempt to call an endpoint. */
export interface WebhookCall {
  readonly url: string;
  /** The turn's id; see `SignedCall`. */
  readonly id: string;
  /** JSON, as it is signed and sent. */
  readonly body: Uint8Array;
  readonly keys: readonly SigningKey[];
  /** The endpoint's own, authorization included; they were checked with `findHeaderProblem`. */
  readonly headers: EndpointHeaders;
  readonly traceparent?: string;
  readonly limits: CallLimits;
  /** Aborted: the connection is closed at once. */
  readonly signal: AbortSignal;
}

export interface CallLimits {
  /** From the call's begin to the first byte of the answer's body. */
  readonly firstChunkMs: number;
  /** Between bytes of the body. */
  readonly idleMs: number;
  /** The whole call, its answer included. */
  readonly maxDurationMs: number;
}

export interface WebhookClientOptions {
  readonly guard: AddressGuard;
  readonly resolveHost: ResolveHost;
  /** Authorities that are trusted instead of those that Node knows. */
  readonly ca?: string;
}

/**
 * Calls endpoints, each on a connection of its own.
 *
 * A kept connection would save a handshake of a call that takes seconds. But one that the other side has just given
 * up takes a POST with it, which nobody may repeat unseen; the guard would be asked once for many calls; and there
 * would be a pool to bound for each host that somebody registers.
 *
 * By `node:http`, on a socket that `guardedConnect` opened. undici needs the same socket, the same timers (its own
 * are exact to half a second) and the same counting; per call it took as much CPU (0.15 ms), per chunk a little less
 * (0.7 instead of 1 µs), and its import 60 ms and 14 MB.
 */
export class WebhookClient {
  readonly #options: WebhookClientOptions;

  constructor(options: WebhookClientOptions) {
    this.#options = options;
  }

  /** Never rejects. The body of an answer must be read, or the call aborted; its time ends it in any case. */
  async call(call: WebhookCall): Promise<CallOutcome> {
    const check = this.#options.guard.checkUrl(call.url);
    if (!check.ok) {
      return { kind: 'failed', failure: callFailure('url_not_allowed', check.refusal), excerpt: '' };
    }
    return new OpenCall(check.url, call, this.#options).run();
  }
}
