import type { ParticipantId } from '@fleetlm/protocol';

/** Who acts: an application's backend, which may act for anyone, or one participant. */
export type Principal = Lasting &
  ({ readonly kind: 'service' } | { readonly kind: 'participant'; readonly participantId: ParticipantId });

interface Lasting {
  /** When its token is over, leeway included, by the clock (`Date.now()`). Absent: never. */
  readonly expiresAtMs?: number;
}

export const service: Principal = { kind: 'service' };

/** The participant that acts; null: the service. */
export function participantOf(principal: Principal): ParticipantId | null {
  return principal.kind === 'participant' ? principal.participantId : null;
}
