import type { IncomingHttpHeaders } from 'node:http';
import { wireError } from '@fleetlm/protocol';
import type { Authenticator, Credentials } from '../auth/authenticator.ts';
import type { Principal } from '../auth/principal.ts';
import { isAllowedOrigin, isLoopbackHost } from '../auth/request-guard.ts';
import type { Config } from '../config/config.ts';
import { fail, type Result } from '../lib/result.ts';

/** Who calls the API, or why nobody may call it like this: asked before anything of the body is read. */
export async function admit(
  headers: IncomingHttpHeaders,
  auth: Config['auth'],
  authenticator: Authenticator,
): Promise<Result<Principal>> {
  const isAnyHost = auth.mode !== 'none' || auth.insecureAllowNoAuth;
  if (!isAnyHost && !isLoopbackHost(headers.host)) return fail(wireError('forbidden', foreignHost));
  if (!isAllowedOrigin(headers.origin, headers.host, auth.allowedOrigins)) {
    return fail(wireError('forbidden', foreignOrigin));
  }
  return authenticator.authenticate(readCredentials(headers));
}

const foreignHost =
  'The Host header names no loopback address. Without authentication a web page whose name was rebound to ' +
  'this machine (DNS rebinding) could do anything here: use localhost or 127.0.0.1, or accept it by ' +
  'FLEETLM_INSECURE_ALLOW_NO_AUTH=1';
const foreignOrigin =
  'Web pages of this Origin may not call the API: name it in FLEETLM_ALLOWED_ORIGINS if they should';

function readCredentials(headers: IncomingHttpHeaders): Credentials {
  const named = headers['x-participant-id'];
  return {
    // An empty one is not nobody: without authentication, nobody is the service.
    participantId: (Array.isArray(named) ? named[0] : named) ?? null,
    token: headers.authorization?.match(/^bearer +(\S+)$/i)?.[1] ?? null,
  };
}
