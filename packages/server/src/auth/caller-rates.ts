import type { Config } from '../config/config.ts';
import { AddressRates } from './address-rates.ts';
import { ParticipantRates } from './participant-rates.ts';

/** The rates of a node: those of addresses, and of participants. */
export interface CallerRates {
  readonly addresses: AddressRates;
  readonly participants: ParticipantRates;
}

export function createCallerRates(config: Pick<Config, 'rates' | 'trustedProxies'>): CallerRates {
  return { addresses: new AddressRates(config), participants: new ParticipantRates(config.rates) };
}
