const loopbackHosts = new Set(['localhost', '127.0.0.1', '[::1]']);

/** The address of a JWKS in `text`; null when it is empty. Throws "must be …". */
export function parseJwksUrl(text: string): string | null {
  if (text === '') return null;
  const url = URL.parse(text);
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && loopbackHosts.has(url.hostname));
  // Whoever can change what comes from there can be anybody.
  if (!isSafe) throw new Error('must be an https URL, or http on loopback');
  // They would be logged with the address, and `fetch` refuses them.
  if (url.username !== '' || url.password !== '') throw new Error('must be a URL without user and password');
  return url.href;
}
