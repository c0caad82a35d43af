import type { ServerResponse } from 'node:http';
import type { ParticipantId } from '@fleetlm/protocol';
import type { LongConnections } from '../auth/disabled-participants.ts';
import type { Principal } from '../auth/principal.ts';
import { Flusher } from '../socket/flusher.ts';
import { EventStream, type EventStreamLimits } from './event-stream.ts';
import type { StreamExchange } from './stream-exchange.ts';
import { StreamWriting } from './stream-writing.ts';

export interface StreamExchangesOptions {
  readonly limits: EventStreamLimits;
  readonly sweepMs: number;
}

/**
 * The calls of a server that read or write a stream, and last as long: it opens and sweeps them, and cuts them when
 * the server drains, their token is over or their participant is disabled. One timer, which runs only while there
 * are some.
 */
export class StreamExchanges implements LongConnections {
  readonly #options: StreamExchangesOptions;
  readonly #flusher = new Flusher();
  readonly #open = new Set<StreamExchange>();
  #sweeper: NodeJS.Timeout | null = null;

  constructor(options: StreamExchangesOptions) {
    this.#options = options;
  }

  /** Those who read and write by them; the service is left out. */
  get participantIds(): ReadonlySet<ParticipantId> {
    const ids = [...this.#open].map(({ participantId }) => participantId);
    return new Set(ids.filter((id) => id !== null));
  }

  addReader(response: ServerResponse, principal: Principal): EventStream {
    const { limits } = this.#options;
    return this.#add(response, new EventStream({ response, principal, flusher: this.#flusher, limits }));
  }

  /** For `agentId`, whom the service may have named. */
  addWriter(response: ServerResponse, principal: Principal, agentId: ParticipantId | null): StreamWriting {
    return this.#add(response, new StreamWriting(principal, agentId));
  }

  disabled(participantId: ParticipantId): void {
    for (const exchange of this.#open) {
      if (exchange.participantId === participantId) exchange.cut('the participant is disabled');
    }
  }

  cutAll(): void {
    for (const exchange of this.#open) exchange.cut('the server is shutting down');
  }

  #add<Exchange extends StreamExchange>(response: ServerResponse, exchange: Exchange): Exchange {
    this.#open.add(exchange);
    this.#sweeper ??= setInterval(() => this.#sweep(), this.#options.sweepMs).unref();
    response.once('close', () => this.#leave(exchange));
    return exchange;
  }

  #leave(exchange: StreamExchange): void {
    exchange.left?.();
    this.#open.delete(exchange);
    if (this.#open.size > 0 || this.#sweeper === null) return;
    clearInterval(this.#sweeper);
    this.#sweeper = null;
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const exchange of this.#open) {
      const { expiresAtMs } = exchange;
      if (expiresAtMs !== null && Date.now() >= expiresAtMs) exchange.cut('the token is over');
      exchange.sweep?.(nowMs);
    }
  }
}
