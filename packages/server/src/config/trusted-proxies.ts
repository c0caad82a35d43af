import { BlockList, isIP } from 'node:net';
import { splitList } from './split-list.ts';

/** Reverse proxies whose word on a client's address counts. */
export type TrustedProxies = BlockList;

/** The proxies in `text`: addresses and subnets, separated by commas. Throws "must be …". */
export function parseTrustedProxies(text: string): TrustedProxies {
  const proxies = new BlockList();
  for (const entry of splitList(text)) addProxy(proxies, entry);
  return proxies;
}

function addProxy(proxies: TrustedProxies, text: string): void {
  const [address = '', bits, ...more] = text.split('/');
  const version = isIP(address);
  const prefix = bits === undefined ? null : Number(bits);
  const isPrefix = prefix === null || (/^\d+$/.test(bits!) && prefix <= (version === 6 ? 128 : 32));
  if (version === 0 || !isPrefix || more.length > 0) {
    throw new Error('must be a list of addresses and subnets, as 10.0.0.7,10.1.0.0/16,::1');
  }
  const family = version === 6 ? 'ipv6' : 'ipv4';
  if (prefix === null) proxies.addAddress(address, family);
  else proxies.addSubnet(address, prefix, family);
}
