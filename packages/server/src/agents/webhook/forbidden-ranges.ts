import { BlockList, isIPv6 } from 'node:net';

/** Why nobody may be called at an address. */
export type RangeName =
  | 'metadata'
  | 'unspecified'
  | 'loopback'
  | 'private'
  | 'shared'
  | 'link_local'
  | 'multicast'
  | 'broadcast'
  | 'documentation'
  | 'benchmarking'
  | 'reserved'
  | 'embedded_ipv4'
  | 'nat64'
  | '6to4'
  | 'teredo';

type Ranges = readonly (readonly [name: RangeName, ...cidrs: string[]])[];

/**
 * Where clouds tell a machine its secrets. Most lie in ranges that are forbidden anyway, but these stay forbidden
 * when such a range is allowed; Azure's 168.63.129.16 is a public address.
 */
const metadata = toBlockList([
  '169.254.169.254/32',
  '169.254.170.2/32',
  '169.254.170.23/32',
  '169.254.0.23/32',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '192.0.0.192/32',
  'fd00:ec2::254/128',
  'fd00:ec2::23/128',
  'fd20:ce::254/128',
]);

/** The IANA IPv4 special-purpose registry, without what is reachable by everybody; multicast and class E. */
const ipv4Ranges: Ranges = [
  ['broadcast', '255.255.255.255/32'],
  ['unspecified', '0.0.0.0/8'],
  ['loopback', '127.0.0.0/8'],
  ['private', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'],
  ['shared', '100.64.0.0/10'],
  ['link_local', '169.254.0.0/16'],
  ['documentation', '192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'],
  ['benchmarking', '198.18.0.0/15'],
  ['6to4', '192.88.99.0/24'],
  ['multicast', '224.0.0.0/4'],
  ['reserved', '192.0.0.0/24', '240.0.0.0/4'],
];

/**
 * The same for IPv6. Addresses that hold an IPv4 address are forbidden whatever that is: a gateway may unwrap
 * them, and no agent lives there. 2001::/23 is for protocols, Teredo among them.
 */
const ipv6Ranges: Ranges = [
  ['unspecified', '::/128'],
  ['loopback', '::1/128'],
  ['embedded_ipv4', '::/96', '::ffff:0:0/96', '::ffff:0:0:0/96'],
  ['nat64', '64:ff9b::/96', '64:ff9b:1::/48'],
  ['private', 'fc00::/7'],
  ['link_local', 'fe80::/10', 'fec0::/10'],
  ['multicast', 'ff00::/8'],
  ['teredo', '2001::/32'],
  ['6to4', '2002::/16'],
  ['documentation', '2001:db8::/32', '3fff::/20'],
  ['benchmarking', '2001:2::/48'],
  ['reserved', '2001::/23'],
];

/** All that is given out to be reached; what lies beside it is refused unseen. */
const globalIpv6 = toBlockList(['2000::/3']);

/** One list for each family: a BlockList takes an IPv4 address for its IPv4-mapped form, and would find it there. */
const lists = {
  ipv4: ipv4Ranges.map(([name, ...cidrs]) => [name, toBlockList(cidrs)] as const),
  ipv6: ipv6Ranges.map(([name, ...cidrs]) => [name, toBlockList(cidrs)] as const),
};

/** ISATAP: an IPv4 address behind `0:5efe` or `200:5efe`, under any prefix. */
const isatap = /(?:^|:)(?:0|200)?:5efe:[0-9a-f]{1,4}:[0-9a-f]{1,4}$/;

/** Whether the address, which is one, belongs to a cloud's metadata service. */
export function isMetadata(address: string): boolean {
  return metadata.check(address, familyOf(address));
}

/** The forbidden range that the address, which is one and has no zone, lies in, or null. */
export function forbiddenRangeOf(address: string): RangeName | null {
  const family = familyOf(address);
  const range = lists[family].find(([, list]) => list.check(address, family));
  if (range !== undefined) return range[0];
  if (family === 'ipv4') return null;
  if (!globalIpv6.check(address, 'ipv6')) return 'reserved';
  return isatap.test(canonical(address)) ? 'embedded_ipv4' : null;
}

export function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}

/** As URLs write it: hexadecimal, lower case, the longest run of zeros left out. */
function canonical(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

function toBlockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address, bits] = cidr.split('/') as [string, string];
    list.addSubnet(address, Number(bits), familyOf(address));
  }
  return list;
}
