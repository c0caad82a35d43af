import { BlockList } from 'node:net';
import { splitList } from './split-list.ts';
import { parseSubnet } from './subnet.ts';

/** Reverse proxies whose word on a client's address counts. */
export type TrustedProxies = BlockList;

/** The proxies in `text`: addresses and subnets, separated by commas. Throws "must be …". */
export function parseTrustedProxies(text: string): TrustedProxies {
  const proxies = new BlockList();
  for (const entry of splitList(text)) {
    const subnet = parseSubnet(entry);
    if (!subnet) throw new Error('must be a list of addresses and subnets, as 10.0.0.7,10.1.0.0/16,::1');
    proxies.addSubnet(subnet.address, subnet.prefix, subnet.family);
  }
  return proxies;
}
