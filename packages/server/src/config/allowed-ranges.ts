import { BlockList } from 'node:net';
import { splitList } from './split-list.ts';
import { parseSubnet } from './subnet.ts';

/**
 * Networks that agents may be called in although they are nobody's business on the internet. A list for each family:
 * in one `BlockList` an IPv4 range would allow its IPv4-mapped addresses, and `::/0` all of IPv4.
 */
export interface AllowedRanges {
  readonly ipv4: BlockList;
  readonly ipv6: BlockList;
}

/** The networks in `text`, separated by commas. Throws "must be …". */
export function parseAllowedRanges(text: string): AllowedRanges {
  const ranges = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const entry of splitList(text)) {
    const subnet = parseSubnet(entry);
    if (!subnet) throw new Error('must be a list of addresses and subnets, as 10.1.0.0/16,fd12::/16');
    ranges[subnet.family].addSubnet(subnet.address, subnet.prefix, subnet.family);
  }
  return ranges;
}
