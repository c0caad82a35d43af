import type { IncomingMessage } from 'node:http';
import { isIP, isIPv6 } from 'node:net';
import type { TrustedProxies } from '../config/trusted-proxies.ts';

/**
 * Whom a request's address stands for, as a key for rates. Behind trusted proxies it is the last address in
 * X-Forwarded-For that is none of them: what is further left, its client may have written itself. An IPv6 client
 * has a /64 at least, so that counts as one.
 */
export function clientKey(request: IncomingMessage, proxies: TrustedProxies): string {
  return toKey(findClient(request, proxies));
}

function findClient(request: IncomingMessage, proxies: TrustedProxies): string {
  const peer = normalize(request.socket.remoteAddress ?? '');
  if (!isTrusted(proxies, peer)) return peer;
  const forwarded = request.headers['x-forwarded-for'];
  let client = peer;
  for (const entry of String(forwarded ?? '')
    .split(',')
    .reverse()) {
    const address = normalize(entry.trim());
    if (isIP(address) === 0) return client;
    client = address;
    if (!isTrusted(proxies, address)) return client;
  }
  return client;
}

/** `::ffff:10.0.0.1`, as a dual-stack socket says it, is 10.0.0.1; some proxies add a port or brackets. */
function normalize(address: string): string {
  const bare = address.replace(/^\[(.+)\](:\d+)?$/, '$1').replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1');
  return bare.replace(/^::ffff:(?=\d+\.)/i, '');
}

function isTrusted(proxies: TrustedProxies, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && proxies.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

function toKey(address: string): string {
  return isIPv6(address) ? prefixOf(address) : address;
}

/** The first four groups of an IPv6 address, however it is abbreviated. */
function prefixOf(address: string): string {
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(8 - groups.length - rest.length, 0);
  const all = [...groups, ...Array<string>(zeros).fill('0'), ...rest];
  return all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
