import { fetchJwks } from '../../auth/fetch-jwks.ts';
import type { JwtSettings } from '../../config/auth-settings.ts';
import type { Config } from '../../config/config.ts';
import { type Check, checksOf } from './check.ts';

const { ok, warn, fail } = checksOf('authentication');

/** An issuer that takes longer makes those wait who connect first. */
const fetchTimeoutMs = 4_000;

/** Whether callers are known, their tokens can be checked, and browsers can come. */
export async function checkAuthentication(auth: Config['auth']): Promise<readonly Check[]> {
  const { mode, jwt, insecureAllowNoAuth, allowedOrigins } = auth;
  return [
    ...(mode === 'none' || jwt === null ? [warnOfNoAuthentication()] : await checkTokens(jwt)),
    ...(insecureAllowNoAuth ? [warnOfAcceptance(mode)] : []),
    describeOrigins(allowedOrigins),
  ];
}

function warnOfNoAuthentication(): Check {
  return warn(
    'FLEETLM_AUTH=none believes the participant that a caller names',
    'for anything but development set FLEETLM_JWT_SECRET or FLEETLM_JWKS_URL (docs/authentication.md)',
  );
}

function warnOfAcceptance(mode: string): Check {
  return warn(
    mode === 'none'
      ? 'FLEETLM_INSECURE_ALLOW_NO_AUTH=1: whoever reaches this address can read and write everything'
      : 'FLEETLM_INSECURE_ALLOW_NO_AUTH=1 changes nothing while tokens are checked',
    'take it away',
  );
}

async function checkTokens({ key, audience }: JwtSettings): Promise<readonly Check[]> {
  if (key.kind === 'secret') return [ok('tokens are checked with FLEETLM_JWT_SECRET')];
  return [await checkJwks(key.url), ...(audience === null ? [warnOfAnyAudience()] : [])];
}

async function checkJwks(url: string): Promise<Check> {
  try {
    const { keys } = await fetchJwks(url, AbortSignal.timeout(fetchTimeoutMs));
    if (Array.isArray(keys) && keys.length > 0) return ok(`${url} has keys: ${keys.length}`);
    return fail(`${url} has no keys`, 'correct FLEETLM_JWKS_URL: no token can be checked');
  } catch (error) {
    return fail(
      `the keys of ${url} cannot be fetched: ${describe(error)}`,
      'correct FLEETLM_JWKS_URL, or open the way to it: without keys nobody can connect',
    );
  }
}

/** `fetch` says only that it failed; why is in its cause. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

function warnOfAnyAudience(): Check {
  return warn(
    'a token that the issuer made for another application is accepted',
    'set FLEETLM_JWT_AUDIENCE, and FLEETLM_JWT_ISSUER',
  );
}

function describeOrigins(origins: readonly string[]): Check {
  if (origins.length === 0) return ok('web pages from the same host may connect, no others');
  return ok(`web pages of ${origins.join(', ')} may connect, no others`);
}
