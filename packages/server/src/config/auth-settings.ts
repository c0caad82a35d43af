import type { Values } from './variables.ts';

export type AuthMode = 'jwt' | 'none';

/** What tokens are checked with. The kind of key fixes the algorithms; a token chooses nothing. */
type JwtKey =
  | { readonly kind: 'secret'; readonly secret: string }
  | { readonly kind: 'jwks'; readonly url: string };

export interface JwtSettings {
  readonly key: JwtKey;
  readonly issuer: string | null;
  readonly audience: string | null;
  readonly leewayMs: number;
}

const loopbackAddresses = new Set(['127.0.0.1', '::1', 'localhost']);

/** How callers are known, when nothing says otherwise: by tokens as soon as it could matter. */
export function authMode(values: Values): AuthMode {
  if (values.FLEETLM_AUTH !== null) return values.FLEETLM_AUTH;
  const isExposed = !loopbackAddresses.has(values.HOST) || values.NODE_ENV === 'production';
  // Whoever sets a key expects that tokens are checked.
  return isExposed || readKey(values) !== null ? 'jwt' : 'none';
}

/** Whether nobody but this machine reaches the server, and nobody is asked who they are: a developer's own. */
export function isDevelopment(values: Values): boolean {
  return authMode(values) === 'none' && loopbackAddresses.has(values.HOST);
}

export function readJwt(values: Values): JwtSettings | null {
  const key = readKey(values);
  return (
    key && {
      key,
      issuer: values.FLEETLM_JWT_ISSUER,
      audience: values.FLEETLM_JWT_AUDIENCE,
      leewayMs: values.FLEETLM_JWT_LEEWAY_MS,
    }
  );
}

/** Settings of authentication that are each valid, but not together. */
export function findAuthConflicts(values: Values): string[] {
  const problems: string[] = [];
  const mode = authMode(values);
  const isLoopback = loopbackAddresses.has(values.HOST);
  if (mode === 'none' && !isLoopback && !values.FLEETLM_INSECURE_ALLOW_NO_AUTH) {
    problems.push(
      `HOST=${values.HOST} is reachable from other machines and FLEETLM_AUTH=none checks nobody: use FLEETLM_AUTH=jwt, keep HOST=127.0.0.1, or accept it by FLEETLM_INSECURE_ALLOW_NO_AUTH=1`,
    );
  }
  if (values.FLEETLM_JWT_SECRET !== null && values.FLEETLM_JWKS_URL !== null) {
    problems.push('FLEETLM_JWT_SECRET and FLEETLM_JWKS_URL are both set: tokens have one kind of key');
  }
  if (mode === 'jwt' && readKey(values) === null) {
    problems.push(
      `FLEETLM_AUTH is jwt${whyJwt(values)}, and there is no valid key: set FLEETLM_JWT_SECRET or FLEETLM_JWKS_URL (docs/authentication.md)`,
    );
  }
  return problems;
}

function readKey(values: Values): JwtKey | null {
  const { FLEETLM_JWT_SECRET: secret, FLEETLM_JWKS_URL: url } = values;
  if (secret !== null) return { kind: 'secret', secret };
  return url === null ? null : { kind: 'jwks', url };
}

function whyJwt({ FLEETLM_AUTH, HOST, NODE_ENV }: Values): string {
  if (FLEETLM_AUTH !== null) return '';
  return NODE_ENV === 'production'
    ? ', since NODE_ENV=production'
    : `, since other machines reach HOST=${HOST}`;
}
