import { isIP } from 'node:net';
import type { AllowedRanges } from '../../config/allowed-ranges.ts';
import { familyOf, forbiddenRangeOf, isMetadata, type RangeName } from './forbidden-ranges.ts';

/** Why an address may not be called. */
export type AddressRefusal = RangeName | 'not_an_address' | 'plain_http';

/** Why a URL may not be called. */
export type UrlRefusal =
  | AddressRefusal
  | 'not_a_url'
  | 'too_long'
  | 'scheme'
  | 'credentials'
  | 'port'
  | 'forbidden_name';

export type UrlCheck =
  | { readonly ok: true; readonly url: URL }
  | { readonly ok: false; readonly refusal: UrlRefusal };

export interface AddressGuardOptions {
  /** Development: agents on this machine may be called, and over plain HTTP. */
  readonly allowLoopback: boolean;
  /** What may be called although it lies in a forbidden range; metadata services never. */
  readonly allowedRanges: AllowedRanges;
}

/** Longer than any endpoint's, shorter than what servers take in a request line. */
const maxUrlLength = 2_048;

/** By RFC 6761, and as hosts files have it. All of them are this machine. */
const loopbackName =
  /^(?:.+\.)?localhost$|^localhost[46]?(?:\.localdomain[46]?)?$|^ip6-(?:localhost|loopback)$/;

/** Names of metadata services. Their addresses are forbidden as well; whoever registers one is told at once. */
const metadataNames: ReadonlySet<string> = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'metadata.azure.internal',
  'metadata.tencentyun.com',
  'instance-data',
  'instance-data.ec2.internal',
]);

/**
 * Says whom FleetLM may call: endpoints are chosen by strangers, and the server can reach what they cannot. Asked
 * with the URL when an endpoint is stored and before each call, and with every address that its name has, at each
 * connection. Knows nothing but its options.
 */
export class AddressGuard {
  readonly #options: AddressGuardOptions;

  constructor(options: AddressGuardOptions) {
    this.#options = options;
  }

  /** Whether the URL may be called, as far as that can be told without asking for its name's addresses. */
  checkUrl(text: string): UrlCheck {
    if (text.length > maxUrlLength) return { ok: false, refusal: 'too_long' };
    // Parsing makes one spelling of all: of IPv4 in octal, hexadecimal, with parts left out, of full-width digits.
    const url = URL.parse(text);
    if (url === null) return { ok: false, refusal: 'not_a_url' };
    // What is stored and called is the parsed one, which escapes have made longer.
    if (url.href.length > maxUrlLength) return { ok: false, refusal: 'too_long' };
    const refusal = this.#refusalOfUrl(url);
    return refusal === null ? { ok: true, url } : { ok: false, refusal };
  }

  /** Why the address, a literal or a DNS answer, may not be called for that URL, or null. */
  refusalOf(address: string, url: URL): AddressRefusal | null {
    // A zone id chooses an interface: nobody on the internet needs one.
    if (isIP(address) === 0 || address.includes('%')) return 'not_an_address';
    if (isMetadata(address)) return 'metadata';
    const range = forbiddenRangeOf(address);
    const isLoopback = range === 'loopback' && this.#options.allowLoopback;
    if (url.protocol === 'http:' && !isLoopback) return range ?? 'plain_http';
    const family = familyOf(address);
    if (isLoopback || this.#options.allowedRanges[family].check(address, family)) return null;
    return range;
  }

  #refusalOfUrl(url: URL): UrlRefusal | null {
    if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'scheme';
    // They would end in logs; authorization has a field of its own.
    if (url.username !== '' || url.password !== '') return 'credentials';
    // Nothing listens there.
    if (url.port === '0') return 'port';
    const host = hostOf(url);
    if (isIP(host) !== 0) return this.refusalOf(host, url);
    if (metadataNames.has(host)) return 'forbidden_name';
    if (isLoopbackName(host)) return this.#options.allowLoopback ? null : 'loopback';
    return url.protocol === 'http:' ? 'plain_http' : null;
  }
}

/** Whether the name stands for this machine, whatever DNS says. */
export function isLoopbackName(host: string): boolean {
  return loopbackName.test(host);
}

/** The URL's host without brackets and the dots that a name may end in: an address, or a name for DNS and SNI. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.+$/, '');
}
