import type { ServerResponse } from 'node:http';
import type { ParticipantId } from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import { Flusher } from '../socket/flusher.ts';
import { EventStream, type EventStreamLimits } from './event-stream.ts';
import type { OpenStream } from './open-stream.ts';
import { StreamWriting } from './stream-writing.ts';

export interface OpenStreamsOptions {
  readonly limits: EventStreamLimits;
  readonly sweepMs: number;
}

/**
 * The calls of a server that read or write a stream, and last as long: it opens and sweeps them, and cuts them when
 * the server drains, their token is over or their participant is disabled. One timer, which runs only while there
 * are some.
 */
export class OpenStreams {
  readonly #options: OpenStreamsOptions;
  readonly #flusher = new Flusher();
  readonly #open = new Set<OpenStream>();
  #sweeper: NodeJS.Timeout | null = null;

  constructor(options: OpenStreamsOptions) {
    this.#options = options;
  }

  /** Those who read and write by them; the service is left out. */
  get participantIds(): ReadonlySet<ParticipantId> {
    const ids = [...this.#open].map(({ participantId }) => participantId);
    return new Set(ids.filter((id) => id !== null));
  }

  read(response: ServerResponse, principal: Principal): EventStream {
    const { limits } = this.#options;
    return this.#add(response, new EventStream({ response, principal, flusher: this.#flusher, limits }));
  }

  /** For `agentId`, whom the service may have named. */
  write(response: ServerResponse, principal: Principal, agentId: ParticipantId | null): StreamWriting {
    return this.#add(response, new StreamWriting(principal, agentId));
  }

  /** The participant may read and write nothing any more. */
  disconnect(participantId: ParticipantId): void {
    for (const stream of this.#open) {
      if (stream.participantId === participantId) stream.cut('the participant is disabled');
    }
  }

  cutAll(): void {
    for (const stream of this.#open) stream.cut('the server is shutting down');
  }

  #add<Stream extends OpenStream>(response: ServerResponse, stream: Stream): Stream {
    this.#open.add(stream);
    this.#sweeper ??= setInterval(() => this.#sweep(), this.#options.sweepMs).unref();
    response.once('close', () => this.#leave(stream));
    return stream;
  }

  #leave(stream: OpenStream): void {
    stream.end?.();
    this.#open.delete(stream);
    if (this.#open.size > 0 || this.#sweeper === null) return;
    clearInterval(this.#sweeper);
    this.#sweeper = null;
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const stream of this.#open) {
      if (stream.expiresAtMs !== null && Date.now() >= stream.expiresAtMs) stream.cut('the token is over');
      stream.sweep?.(nowMs);
    }
  }
}
