import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { clientKey } from '../../src/auth/client-address.ts';
import { parseTrustedProxies } from '../../src/config/trusted-proxies.ts';

function keyOf(peer: string, forwarded?: string, proxies = ''): string {
  const request = { socket: { remoteAddress: peer }, headers: { 'x-forwarded-for': forwarded } };
  return clientKey(request as unknown as IncomingMessage, parseTrustedProxies(proxies));
}

describe('whom an address stands for', () => {
  test.each([
    ['the peer', '192.0.2.1', undefined, '', '192.0.2.1'],
    ['not what it says itself', '192.0.2.1', '198.51.100.9', '', '192.0.2.1'],
    ['not what it says to somebody else’s proxy', '192.0.2.1', '198.51.100.9', '10.0.0.1', '192.0.2.1'],
    ['what a trusted proxy says', '10.0.0.1', '198.51.100.9', '10.0.0.0/8', '198.51.100.9'],
    [
      'the last that is no proxy',
      '10.0.0.1',
      '1.2.3.4, 198.51.100.9, 10.0.0.7',
      '10.0.0.0/8',
      '198.51.100.9',
    ],
    ['the proxy, when it says nothing', '10.0.0.1', undefined, '10.0.0.0/8', '10.0.0.1'],
    ['the proxy, when it says nonsense', '10.0.0.1', 'unknown', '10.0.0.0/8', '10.0.0.1'],
    ['what is right of nonsense', '10.0.0.1', 'x, 10.0.0.2', '10.0.0.0/8', '10.0.0.2'],
    ['with a port', '10.0.0.1', '198.51.100.9:4711', '10.0.0.1', '198.51.100.9'],
    ['IPv4 in IPv6', '::ffff:192.0.2.1', undefined, '', '192.0.2.1'],
    ['a proxy of both kinds', '::ffff:10.0.0.1', '198.51.100.9', '10.0.0.1', '198.51.100.9'],
    ['IPv6 by its /64', '2001:db8:1:2:3:4:5:6', undefined, '', '2001:db8:1:2'],
    ['and with zeros left out', '2001:db8::1', undefined, '', '2001:db8:0:0'],
    ['zeros at the front', '::1', undefined, '', '0:0:0:0'],
    ['in brackets, with a port', '::1', '[2001:db8::7]:443', '::1', '2001:db8:0:0'],
    ['nothing, when the socket is gone', '', undefined, '', ''],
  ])('%s', (_name, peer, forwarded, proxies, key) => {
    expect(keyOf(peer, forwarded, proxies)).toBe(key);
  });
});

test.each(['nonsense', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.0/', '::1/129', 'proxy.example'])(
  'a proxy cannot be %s',
  (text) => {
    expect(() => parseTrustedProxies(text)).toThrow('must be a list of addresses and subnets');
  },
);
