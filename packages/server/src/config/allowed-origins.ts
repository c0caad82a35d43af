import { splitList } from './split-list.ts';

/**
 * The web origins in `text`, separated by commas, as browsers write them: scheme, host and port, in small letters
 * and without a default port. Throws "must be …": one that no browser sends would silently allow nobody.
 */
export function parseAllowedOrigins(text: string): readonly string[] {
  return splitList(text).map(toOrigin);
}

function toOrigin(text: string): string {
  const url = URL.parse(text);
  // A star is a host's character like any other, and stands for nothing here.
  const isOrigin = url !== null && /^https?:\/\/[^*]+\/$/.test(url.href) && `${url.origin}/` === url.href;
  if (!isOrigin) throw new Error('must be a list of origins, as https://app.example,http://localhost:5173');
  return url.origin;
}
