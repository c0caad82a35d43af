import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** The header that names a request: accepted from a proxy, and told in the reply. */
export const requestIdHeader = 'x-request-id';

/** What proxies make (UUIDs, trace ids) fits; nothing that could forge a log line or a header does. */
const sanePattern = /^[\w.:/+=-]{1,128}$/;

/** The id of a request: the caller's if it is sane, else a new one. From now on the request's header holds it. */
export function nameRequest(request: IncomingMessage): string {
  const given = request.headers[requestIdHeader];
  const id = typeof given === 'string' && sanePattern.test(given) ? given : randomUUID();
  request.headers[requestIdHeader] = id;
  return id;
}
