import { parseTopic } from '@fleetlm/protocol';
import type { Attributes } from '../observability/tracing.ts';

/** What frames are called in traces: any other event is the client's own word, and answered at once. */
const names: ReadonlyMap<string, string> = new Map(
  ['phx_join', 'send', 'history', 'read'].map((event) => [event, `frame ${event}`]),
);

/** The name of a frame's span; undefined: it has none. */
export function frameName(event: string): string | undefined {
  return names.get(event);
}

/** What a frame's span says of it: a topic's text may be anything, its id is one that was understood. */
export function frameAttributes(connectionId: string, topic: string): Attributes {
  const attributes = { 'fleetlm.connection_id': connectionId };
  const parsed = parseTopic(topic);
  if (parsed?.kind === 'session' && parsed.sessionId !== null) {
    return { ...attributes, 'fleetlm.session_id': parsed.sessionId };
  }
  if (parsed?.kind === 'inbox' && parsed.participantId !== null) {
    return { ...attributes, 'fleetlm.participant_id': parsed.participantId };
  }
  return attributes;
}
