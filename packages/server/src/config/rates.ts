import { authMode } from './auth-settings.ts';
import type { Values } from './variables.ts';

/** How fast something may come, steadily and in one go. */
export interface RateSetting {
  readonly perSecond: number;
  readonly burst: number;
}

/** What holds once callers are known; without authentication they are whoever they say, and nothing is limited. */
export const defaultRates = { messages: 50, frames: 200, handshakes: 200 };

/** Bursts of messages and frames are this many times what may come in a second. */
const burstFactor = 4;

/** What one caller may do in a second; null: as much as it likes. */
export function readRates(values: Values) {
  const isKnown = authMode(values) === 'jwt';
  const choose = (chosen: number | null, usual: number) => chosen ?? (isKnown ? usual : 0);
  const messages = choose(values.FLEETLM_RATE_MESSAGES, defaultRates.messages);
  const frames = choose(values.FLEETLM_RATE_FRAMES, defaultRates.frames);
  const handshakes = choose(values.FLEETLM_RATE_HANDSHAKES, defaultRates.handshakes);
  return {
    messages: toRate(messages, messages * burstFactor),
    frames: toRate(frames, frames * burstFactor),
    handshakes: toRate(handshakes, Math.max(values.FLEETLM_RATE_HANDSHAKES_BURST, handshakes)),
  };
}

function toRate(perSecond: number, burst: number): RateSetting | null {
  return perSecond === 0 ? null : { perSecond, burst };
}
