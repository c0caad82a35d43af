/**
 * Which requests a browser on some other page may have been made to send. Cookies authenticate nothing here,
 * but with `FLEETLM_AUTH=none` being able to connect is all it takes.
 */

const loopbackHosts = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Whether the `Host` header names this machine. With authentication `none` a page whose name was rebound to
 * 127.0.0.1 would otherwise pass for a local one.
 */
export function isLoopbackHost(host: string | undefined): boolean {
  return host !== undefined && loopbackHosts.has(host.replace(/:\d+$/, '').toLowerCase());
}

/**
 * Whether a browser page of `origin` may connect: the origin is on the list, or, without a list, has the host
 * and port that the request itself was sent to. No origin: not a browser. `null` and unparsable ones: no.
 */
export function isAllowedOrigin(
  origin: string | undefined,
  host: string | undefined,
  allowedOrigins: readonly string[],
): boolean {
  if (origin === undefined) return true;
  const url = URL.parse(origin);
  if (url === null || url.origin === 'null') return false;
  return allowedOrigins.length > 0 ? allowedOrigins.includes(url.origin) : url.host === host?.toLowerCase();
}
