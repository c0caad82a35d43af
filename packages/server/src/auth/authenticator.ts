import type { Result } from '../lib/result.ts';
import type { Principal } from './principal.ts';

/** What a request says about who is calling: nothing of it is trusted yet. */
export interface Credentials {
  /** Socket parameter `participant_id` or header `x-participant-id`. */
  readonly participantId: string | null;
  /** Socket parameter `token`, subprotocol, or `Authorization: Bearer`. */
  readonly token: string | null;
}

/**
 * Turns credentials into a principal, or says why not: `unauthorized`, `participant_disabled`, or `overloaded`
 * when it cannot be found out now.
 */
export interface Authenticator {
  authenticate(credentials: Credentials): Promise<Result<Principal>>;
}
