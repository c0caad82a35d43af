import { parseParticipantId } from '@fleetlm/protocol';
import { signToken } from '../auth/sign-token.ts';
import type { Config } from '../config/config.ts';
import { parseTtl } from './ttl.ts';
import { UsageError } from './usage-error.ts';

/** The options of `fleetlm token`, as they were typed. */
export interface TokenOptions {
  readonly sub: string | undefined;
  readonly role: string | undefined;
  readonly ttl: string;
}

/** The token that `fleetlm token` prints. Throws with a message that says what to do. */
export async function runTokenCommand(
  { sub, role, ttl }: TokenOptions,
  { jwt }: Config['auth'],
): Promise<string> {
  const participantId = parseParticipantId(sub);
  if (participantId === null)
    throw new UsageError('token needs --sub with a participant id, as --sub user:alice');
  if (role !== undefined && role !== 'service') throw new UsageError('--role must be service, or left out');
  const ttlSeconds = parseTtl(ttl);
  if (ttlSeconds === null) throw new UsageError('--ttl must be a time like 30s, 15m, 1h or 7d, at most 365d');
  if (jwt?.key.kind !== 'secret') {
    throw new Error(
      jwt === null
        ? 'token needs FLEETLM_JWT_SECRET: the secret that the server checks tokens with'
        : 'token needs FLEETLM_JWT_SECRET: with FLEETLM_JWKS_URL, tokens come from the issuer of those keys',
    );
  }
  const { issuer, audience, key } = jwt;
  const request = { participantId, isService: role === 'service', ttlSeconds };
  return signToken(request, { secret: key.secret, issuer, audience });
}
