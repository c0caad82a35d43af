import type { ParticipantId } from '@fleetlm/protocol';
import { type Principal, participantOf } from '../auth/principal.ts';
import type { StreamExchange } from './stream-exchange.ts';

/** One request whose body is a stream. Cut: the body is over, and its writer is told. Made by `StreamExchanges`. */
export class StreamWriting implements StreamExchange {
  readonly participantId: ParticipantId | null;
  readonly expiresAtMs: number | null;
  readonly #cutting = new AbortController();

  constructor(principal: Principal, agentId: ParticipantId | null) {
    this.participantId = agentId ?? participantOf(principal);
    this.expiresAtMs = principal.expiresAtMs ?? null;
  }

  /** Aborted with an error that says why. */
  get signal(): AbortSignal {
    return this.#cutting.signal;
  }

  cut(why: string): void {
    this.#cutting.abort(new Error(why));
  }
}
