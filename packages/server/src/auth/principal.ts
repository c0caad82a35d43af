import type { ParticipantId } from '@fleetlm/protocol';

/** Who acts: an application's backend, which may act for anyone, or one participant. */
export type Principal =
  | { readonly kind: 'service' }
  | { readonly kind: 'participant'; readonly participantId: ParticipantId };

export const service: Principal = { kind: 'service' };
