import type { Config } from '../config/config.ts';
import { KeyedRate } from '../runtime/keyed-rate.ts';
import type { Principal } from './principal.ts';

/**
 * What each participant may do in a second on this node, over all its sockets and REST together. The service is
 * trusted code of the operator, and speaks for many: it is not limited.
 */
export class ParticipantRates {
  readonly #messages: KeyedRate;
  readonly #frames: KeyedRate;

  constructor({ messages, frames }: Pick<Config['rates'], 'messages' | 'frames'>) {
    this.#messages = new KeyedRate(messages);
    this.#frames = new KeyedRate(frames);
  }

  /** A message to append, by whatever way it came. */
  mayAppend(principal: Principal): boolean {
    return principal.kind === 'service' || this.#messages.take(principal.participantId);
  }

  /** A frame, or a REST call, with so many bytes to read: large ones count several times. */
  mayCall(principal: Principal, bytes: number): boolean {
    if (principal.kind === 'service') return true;
    return this.#frames.take(principal.participantId, 1 + Math.floor(bytes / bytesPerFrame));
  }
}

/**
 * Twice what a long letter has. The worst JSON of 256 KiB takes 20 ms to read: a rate that counted a large body
 * once would let one caller keep the event loop busy.
 */
const bytesPerFrame = 16 << 10;
