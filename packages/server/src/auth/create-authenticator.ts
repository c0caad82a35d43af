import type { Config } from '../config/config.ts';
import type { ParticipantDirectory } from '../conversation/participant-directory.ts';
import type { Log } from '../lib/log.ts';
import type { Authenticator } from './authenticator.ts';
import { Jwks } from './jwks.ts';
import { JwtAuthenticator } from './jwt-authenticator.ts';
import { NoAuthentication } from './no-auth.ts';
import { createTokenVerifier, secretKey } from './token-verifier.ts';

export interface AuthenticatorOptions {
  readonly auth: Config['auth'];
  readonly directory: ParticipantDirectory;
  /** Aborted when the server is gone. */
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** The authenticator that the configuration asks for. */
export function createAuthenticator({ auth, directory, signal, log }: AuthenticatorOptions): Authenticator {
  if (auth.mode === 'none') return new NoAuthentication(directory);
  const { jwt } = auth;
  if (jwt === null) throw new Error('the configuration was to refuse FLEETLM_AUTH=jwt without a key');
  const { key } = jwt;
  const findKey =
    key.kind === 'secret' ? secretKey(key.secret) : new Jwks({ url: key.url, signal, log }).find;
  return new JwtAuthenticator({ verify: createTokenVerifier(jwt, findKey), directory, log });
}
