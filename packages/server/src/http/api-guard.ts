import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { type WireError, wireError } from '@fleetlm/protocol';
import type { Authenticator, Credentials } from '../auth/authenticator.ts';
import type { CallerRates } from '../auth/caller-rates.ts';
import type { Principal } from '../auth/principal.ts';
import { isAllowedOrigin, isLoopbackHost } from '../auth/request-guard.ts';
import type { Config } from '../config/config.ts';
import { decodeHeaderText } from '../lib/header-text.ts';
import { fail, ok, type Result } from '../lib/result.ts';

const foreignHost =
  'The Host header names no loopback address. Without authentication a web page whose name was rebound to ' +
  'this machine (DNS rebinding) could do anything here: use localhost or 127.0.0.1, or accept it by ' +
  'FLEETLM_INSECURE_ALLOW_NO_AUTH=1';
const foreignOrigin =
  'Web pages of this Origin may not call the API: name it in FLEETLM_ALLOWED_ORIGINS if they should';
const notUtf8 =
  'x-participant-id must be UTF-8. JavaScript’s fetch sends latin1: give it the id as ' +
  'String.fromCharCode(...new TextEncoder().encode(id))';

const tooManyRefused =
  'Too many refused identities came from this address: correct the token, then try again';

export interface CallerGuard {
  readonly authenticator: Authenticator;
  readonly rates: CallerRates;
  readonly maxBodyBytes: number;
}

/** Why a request with this Host and Origin may not call the API, whoever it is; or null. */
export function findForeign(headers: IncomingHttpHeaders, auth: Config['auth']): WireError | null {
  const isAnyHost = auth.mode !== 'none' || auth.insecureAllowNoAuth;
  if (!isAnyHost && !isLoopbackHost(headers.host)) return wireError('forbidden', foreignHost);
  if (isAllowedOrigin(headers.origin, headers.host, auth.allowedOrigins)) return null;
  return wireError('forbidden', foreignOrigin);
}

/** Who is calling, if it may call now. */
export async function identifyCaller(
  request: IncomingMessage,
  { authenticator, rates, maxBodyBytes }: CallerGuard,
): Promise<Result<Principal>> {
  const credentials = readCredentials(request.headers);
  if (!credentials.ok) return credentials;
  if (!rates.addresses.mayIdentify(request)) return fail(wireError('rate_limited', tooManyRefused));
  const identified = await authenticator.authenticate(credentials.value);
  if (!identified.ok) rates.addresses.refused(request);
  else if (!rates.participants.mayCall(identified.value, bodyBytesOf(request, maxBodyBytes)))
    return fail(wireError('rate_limited'));
  return identified;
}

/** What there will be to read, at most: chunks do not say. */
function bodyBytesOf({ headers }: IncomingMessage, maxBodyBytes: number): number {
  if (headers['transfer-encoding'] !== undefined) return maxBodyBytes;
  return Math.min(Number(headers['content-length'] ?? 0), maxBodyBytes);
}

/** What a request says about who is calling. */
function readCredentials(headers: IncomingHttpHeaders): Result<Credentials> {
  const header = headers['x-participant-id'];
  const named = Array.isArray(header) ? header[0] : header;
  // An empty id stays an empty id, which is refused: only a caller that gives none is the service.
  const participantId = named === undefined ? null : decodeHeaderText(named);
  if (named !== undefined && participantId === null) return fail(wireError('unauthorized', notUtf8));
  return ok({ participantId, token: headers.authorization?.match(/^bearer +(\S+)$/i)?.[1] ?? null });
}
