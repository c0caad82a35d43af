/** Headers that an endpoint's calls carry besides ours, by name. */
export type EndpointHeaders = Readonly<Record<string, string>>;

/** A handful of keys and tokens; with ours they stay far below what servers take. */
const maxHeaders = 32;
const maxHeaderBytes = 8 << 10;

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** No line ends, no control characters, nothing whose encoding is a matter of taste. */
const value = /^[\t\x20-\x7e]*$/;

/** What decides where a request goes, where it ends, and what its body is; what proves that we sent it. */
const ours: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'te',
  'traceparent',
  'tracestate',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
]);
const oursByPrefix = /^(?:webhook-|proxy-|sec-|x-forwarded-)/;

/** Why these headers cannot be set for an endpoint, or null. */
export function findHeaderProblem(headers: EndpointHeaders): string | null {
  const entries = Object.entries(headers);
  if (entries.length > maxHeaders) return `must be at most ${maxHeaders} headers`;
  const bytes = entries.reduce((sum, [name, text]) => sum + name.length + text.length, 0);
  if (bytes > maxHeaderBytes) return `must be at most ${maxHeaderBytes} bytes together`;
  const names = new Set<string>();
  for (const [name, text] of entries) {
    const problem = findProblem(name, text) ?? (names.has(name.toLowerCase()) ? `has ${name} twice` : null);
    if (problem !== null) return problem;
    names.add(name.toLowerCase());
  }
  return null;
}

function findProblem(name: string, text: string): string | null {
  if (!token.test(name)) return 'has a name that no header can have';
  const lower = name.toLowerCase();
  if (ours.has(lower) || oursByPrefix.test(lower)) return `must not set ${lower}`;
  return value.test(text) ? null : `has a value for ${lower} that is not printable ASCII`;
}
