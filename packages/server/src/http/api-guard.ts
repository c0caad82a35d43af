import type { IncomingHttpHeaders } from 'node:http';
import { type WireError, wireError } from '@fleetlm/protocol';
import type { Credentials } from '../auth/authenticator.ts';
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

/** Why a request with this Host and Origin may not call the API, whoever it is; or null. */
export function findForeign(headers: IncomingHttpHeaders, auth: Config['auth']): WireError | null {
  const isAnyHost = auth.mode !== 'none' || auth.insecureAllowNoAuth;
  if (!isAnyHost && !isLoopbackHost(headers.host)) return wireError('forbidden', foreignHost);
  if (isAllowedOrigin(headers.origin, headers.host, auth.allowedOrigins)) return null;
  return wireError('forbidden', foreignOrigin);
}

/** What a request says about who is calling. */
export function readCredentials(headers: IncomingHttpHeaders): Result<Credentials> {
  const header = headers['x-participant-id'];
  const named = Array.isArray(header) ? header[0] : header;
  // An empty id stays an empty id, which is refused: only a caller that gives none is the service.
  const participantId = named === undefined ? null : decodeHeaderText(named);
  if (named !== undefined && participantId === null) return fail(wireError('unauthorized', notUtf8));
  return ok({ participantId, token: headers.authorization?.match(/^bearer +(\S+)$/i)?.[1] ?? null });
}
