import type { ParticipantId } from '@fleetlm/protocol';
import { SignJWT } from 'jose';

export interface TokenRequest {
  readonly participantId: ParticipantId;
  readonly isService: boolean;
  readonly ttlSeconds: number;
}

export interface TokenIssuer {
  readonly secret: string;
  readonly issuer: string | null;
  readonly audience: string | null;
}

/** A token as an application's backend would issue it, with the shared secret. */
export function signToken(
  { participantId, isService, ttlSeconds }: TokenRequest,
  { secret, issuer, audience }: TokenIssuer,
): Promise<string> {
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const token = new SignJWT(isService ? { role: 'service' } : {})
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(participantId)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + ttlSeconds);
  if (issuer !== null) token.setIssuer(issuer);
  if (audience !== null) token.setAudience(audience);
  return token.sign(Buffer.from(secret));
}
