import { type CryptoKey, type JWTPayload, SignJWT } from 'jose';

/** For `FLEETLM_JWT_SECRET`. */
export const testSecret = 'a secret of the tests, long enough for HS256';

export interface SignOptions {
  /** Default: HS256, whose key is a text. */
  readonly alg?: string;
  readonly key?: string | Uint8Array | CryptoKey;
  /** Beside `alg`. */
  readonly header?: Readonly<Record<string, unknown>>;
}

/** Signs these claims as they are; without `exp` they are good for an hour, and an `exp` of undefined is left out. */
export function signToken(
  claims: JWTPayload,
  { alg = 'HS256', key = testSecret, header = {} }: SignOptions = {},
): Promise<string> {
  return new SignJWT({ exp: inSeconds(3_600), ...claims })
    .setProtectedHeader({ alg, ...header })
    .sign(typeof key === 'string' ? new TextEncoder().encode(key) : key);
}

/** The time in so many seconds, as claims have it. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1_000) + seconds;
}
