import type { ServerResponse } from 'node:http';
import type { ParticipantId } from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import { Flusher } from '../socket/flusher.ts';
import { EventStream, type EventStreamLimits } from './event-stream.ts';

export interface EventStreamsOptions {
  readonly limits: EventStreamLimits;
  readonly sweepMs: number;
}

/**
 * The replies of a server that last as long as a stream runs: it opens and sweeps them, and cuts them when the
 * server drains or their reader is disabled. One timer, which runs only while there are some.
 */
export class EventStreams {
  readonly #options: EventStreamsOptions;
  readonly #flusher = new Flusher();
  readonly #open = new Set<EventStream>();
  #sweeper: NodeJS.Timeout | null = null;

  constructor(options: EventStreamsOptions) {
    this.#options = options;
  }

  /** Those who read by them; the service is left out. */
  get participantIds(): ReadonlySet<ParticipantId> {
    const ids = [...this.#open].map(({ principal }) => idOf(principal));
    return new Set(ids.filter((id) => id !== null));
  }

  open(response: ServerResponse, principal: Principal): EventStream {
    const { limits, sweepMs } = this.#options;
    const stream = new EventStream({ response, principal, flusher: this.#flusher, limits });
    this.#open.add(stream);
    this.#sweeper ??= setInterval(() => this.#sweep(), sweepMs).unref();
    response.once('close', () => this.#leave(stream));
    return stream;
  }

  /** The participant may read nothing any more. */
  disconnect(participantId: ParticipantId): void {
    for (const stream of this.#open) if (idOf(stream.principal) === participantId) stream.cut();
  }

  cutAll(): void {
    for (const stream of this.#open) stream.cut();
  }

  #leave(stream: EventStream): void {
    stream.end();
    this.#open.delete(stream);
    if (this.#open.size > 0 || this.#sweeper === null) return;
    clearInterval(this.#sweeper);
    this.#sweeper = null;
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const stream of this.#open) stream.sweep(nowMs);
  }
}

function idOf(principal: Principal): ParticipantId | null {
  return principal.kind === 'participant' ? principal.participantId : null;
}
