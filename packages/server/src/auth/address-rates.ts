import type { IncomingMessage } from 'node:http';
import type { Config } from '../config/config.ts';
import { KeyedRate } from '../runtime/keyed-rate.ts';
import { clientKey } from './client-address.ts';

/** What may come from one address before anybody knows who it is. */
export class AddressRates {
  readonly #trustedProxies: Config['trustedProxies'];
  readonly #handshakes: KeyedRate;
  /** Of its own: calls with good tokens go on while the sockets behind the same address storm back. */
  readonly #refusals: KeyedRate;

  constructor({ rates, trustedProxies }: Pick<Config, 'rates' | 'trustedProxies'>) {
    this.#trustedProxies = trustedProxies;
    this.#handshakes = new KeyedRate(rates.handshakes);
    this.#refusals = new KeyedRate(rates.handshakes);
  }

  /** A handshake: before anything of it is parsed, and whatever comes of it. */
  mayConnect(request: IncomingMessage): boolean {
    return this.#handshakes.take(this.#keyOf(request));
  }

  /** A REST call whose identity is to be checked. Free of charge, unless it is refused. */
  mayIdentify(request: IncomingMessage): boolean {
    return !this.#refusals.isEmpty(this.#keyOf(request));
  }

  refused(request: IncomingMessage): void {
    this.#refusals.take(this.#keyOf(request));
  }

  #keyOf(request: IncomingMessage): string {
    return clientKey(request, this.#trustedProxies);
  }
}
