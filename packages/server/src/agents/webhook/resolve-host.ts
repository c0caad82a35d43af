import { Resolver } from 'node:dns/promises';
import { isLoopbackName } from './address-guard.ts';

/** All addresses of a name. Rejects when it has none. */
export type ResolveHost = (host: string) => Promise<readonly string[]>;

export interface HostResolverOptions {
  /** Name servers instead of those of the machine. */
  readonly servers?: readonly string[];
}

/** A call's connect takes 5 s at most: two questions fit. */
const questionMs = 2_000;
const questions = 2;

/**
 * Asks DNS by sockets of its own. `dns.lookup` would hold one of libuv's four threads for as long as a hostile
 * name server likes, and with it the file system and everybody else's names. So hosts files are not read:
 * `localhost` is known without.
 */
export function createHostResolver({ servers }: HostResolverOptions = {}): ResolveHost {
  const resolver = new Resolver({ timeout: questionMs, tries: questions });
  if (servers !== undefined) resolver.setServers(servers);
  return async (host) => {
    if (isLoopbackName(host)) return ['127.0.0.1', '::1'];
    const [ipv6, ipv4] = await Promise.allSettled([resolver.resolve6(host), resolver.resolve4(host)]);
    if (ipv4.status === 'rejected' && ipv6.status === 'rejected') throw ipv4.reason;
    return [...answersIn(ipv6), ...answersIn(ipv4)];
  };
}

function answersIn(result: PromiseSettledResult<string[]>): string[] {
  return result.status === 'fulfilled' ? result.value : [];
}
