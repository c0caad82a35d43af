import { parseTopic } from '@fleetlm/protocol';
import type { Gateway } from '../gateway/gateway.ts';
import type { OpenChannel } from './channel.ts';
import { InboxChannel } from './inbox-channel.ts';
import { SessionChannel } from './session-channel.ts';

/** The channels of FleetLM, by topic. */
export function channelsOf(gateway: Gateway): OpenChannel {
  return (principal, topic, port) => {
    const parsed = parseTopic(topic);
    switch (parsed?.kind) {
      case 'session':
        return new SessionChannel({ gateway, principal, sessionId: parsed.sessionId, port });
      case 'inbox':
        return new InboxChannel({ gateway, principal, participantId: parsed.participantId, port });
      default:
        return null;
    }
  };
}
