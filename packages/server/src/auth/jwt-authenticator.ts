import { wireError } from '@fleetlm/protocol';
import type { ParticipantDirectory } from '../conversation/participant-directory.ts';
import type { Log } from '../lib/log.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import type { Authenticator, Credentials } from './authenticator.ts';
import { KeysUnavailableError } from './jwks.ts';
import type { Principal } from './principal.ts';
import type { TokenVerifier } from './token-verifier.ts';

export interface JwtAuthenticatorOptions {
  readonly verify: TokenVerifier;
  readonly directory: ParticipantDirectory;
  readonly log: Log;
}

/** The same for every fault of a token: what exactly is wrong helps only whoever forges one. */
const unauthorized = fail(wireError('unauthorized'));

const keysUnavailable = fail(
  wireError('overloaded', 'The keys that tokens are checked with cannot be fetched'),
);

/**
 * `FLEETLM_AUTH=jwt`: the token alone says who is calling; a `participant_id` beside it is not looked at. A
 * participant that does not exist may come in, and finds no session.
 */
export class JwtAuthenticator implements Authenticator {
  readonly #options: JwtAuthenticatorOptions;

  constructor(options: JwtAuthenticatorOptions) {
    this.#options = options;
  }

  async authenticate({ token }: Credentials): Promise<Result<Principal>> {
    if (token === null) return this.#refuse('no token');
    try {
      const verified = await this.#options.verify(token);
      return verified.ok ? this.#admit(verified.principal) : this.#refuse(verified.reason);
    } catch (error) {
      // The keys' owner has logged it, at its own pace.
      if (error instanceof KeysUnavailableError) return keysUnavailable;
      throw error;
    }
  }

  async #admit(principal: Principal): Promise<Result<Principal>> {
    if (principal.kind === 'service') return ok(principal);
    const isDisabled = await this.#options.directory.isDisabled(principal.participantId);
    return isDisabled ? fail(wireError('participant_disabled')) : ok(principal);
  }

  /** Debug: anybody can make such lines, in any number. */
  #refuse(reason: string): Result<Principal> {
    this.#options.log.debug({ reason }, 'token refused');
    return unauthorized;
  }
}
