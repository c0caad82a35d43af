import { parseTopic } from '@fleetlm/protocol';
import type { Gateway } from '../gateway/gateway.ts';
import type { OpenChannel } from './channel.ts';
import { SessionChannel } from './session-channel.ts';

/** The channels of FleetLM, by topic. */
export function channelsOf(gateway: Gateway): OpenChannel {
  return (principal, topic, port) => {
    const parsed = parseTopic(topic);
    if (parsed?.kind !== 'session') return null;
    return new SessionChannel({ gateway, principal, sessionId: parsed.sessionId, port });
  };
}
