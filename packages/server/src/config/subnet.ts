import { isIP } from 'node:net';

/** An address, or a network of addresses. */
export interface Subnet {
  readonly family: 'ipv4' | 'ipv6';
  readonly address: string;
  /** The network's bits; all of them for an address. */
  readonly prefix: number;
}

/** The subnet in a text as `10.0.0.7`, `10.1.0.0/16`, `::1`; null when it is none. */
export function parseSubnet(text: string): Subnet | null {
  const [address = '', bits, ...more] = text.split('/');
  const version = isIP(address);
  const maxPrefix = version === 6 ? 128 : 32;
  const isPrefix = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= maxPrefix);
  if (version === 0 || !isPrefix || more.length > 0) return null;
  const prefix = bits === undefined ? maxPrefix : Number(bits);
  return { family: version === 6 ? 'ipv6' : 'ipv4', address, prefix };
}
