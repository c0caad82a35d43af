import { type ParticipantId, parseParticipantId } from '@fleetlm/protocol';
import { errors, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { Config } from '../config/config.ts';
import { KeysUnavailableError } from './jwks.ts';
import type { Principal } from './principal.ts';

type JwtSettings = NonNullable<Config['auth']['jwt']>;

/** What came of a token. `reason` is for the log alone: it holds nothing of the token, and the client hears none of it. */
type Verified =
  | { readonly ok: true; readonly principal: Principal }
  | { readonly ok: false; readonly reason: string };

export type TokenVerifier = (token: string) => Promise<Verified>;

/** By kind of key, never by what a token says: a public RSA key is no HMAC secret. */
const algorithms: Readonly<Record<JwtSettings['key']['kind'], readonly string[]>> = {
  secret: ['HS256'],
  jwks: ['RS256', 'ES256', 'EdDSA'],
};

/** Issuers have no longer ones; a long one is an attempt on whatever looks keys up by them. */
const maxKidLength = 128;

/** Checks tokens with the keys that `findKey` knows. Rejects only when there are no keys to check with. */
export function createTokenVerifier(settings: JwtSettings, findKey: JWTVerifyGetKey): TokenVerifier {
  const options = toOptions(settings);
  const getKey: JWTVerifyGetKey = (header, token) => {
    if (!isSaneKid(header.kid)) throw new errors.JWSInvalid('kid');
    return findKey(header, token);
  };
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, getKey, options);
      return toVerified(payload, settings.leewayMs);
    } catch (error) {
      if (error instanceof KeysUnavailableError) throw error;
      return { ok: false, reason: reasonOf(error) };
    }
  };
}

/** The one key of `FLEETLM_JWT_SECRET`. */
export function secretKey(secret: string): JWTVerifyGetKey {
  const bytes = Buffer.from(secret);
  return () => bytes;
}

function toOptions({ key, issuer, audience, leewayMs }: JwtSettings): JWTVerifyOptions {
  return {
    algorithms: [...algorithms[key.kind]],
    requiredClaims: ['exp', 'sub'],
    clockTolerance: leewayMs / 1_000,
    ...(issuer !== null && { issuer }),
    ...(audience !== null && { audience }),
  };
}

function toVerified({ sub, exp, role }: JWTPayload, leewayMs: number): Verified {
  const participantId = parseParticipantId(sub);
  if (participantId === null) return { ok: false, reason: 'sub is no participant id' };
  const expiresAtMs = exp! * 1_000 + leewayMs;
  // 1e999 is JSON, and never comes.
  if (!Number.isFinite(expiresAtMs)) return { ok: false, reason: 'exp is not finite' };
  return { ok: true, principal: toPrincipal(participantId, role, expiresAtMs) };
}

function toPrincipal(participantId: ParticipantId, role: unknown, expiresAtMs: number): Principal {
  return role === 'service'
    ? { kind: 'service', expiresAtMs }
    : { kind: 'participant', participantId, expiresAtMs };
}

function isSaneKid(kid: unknown): boolean {
  return kid === undefined || (typeof kid === 'string' && kid.length <= maxKidLength);
}

/** jose's codes are few and fixed; its messages quote headers, which anybody can write. */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed) {
    return `${error.code} ${error.claim} ${error.reason}`;
  }
  if (error instanceof errors.JOSEError) return error.code;
  return error instanceof Error ? error.name : 'unknown';
}
