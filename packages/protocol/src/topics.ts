import { type ParticipantId, parseParticipantId, parseSessionId, type SessionId } from './ids.ts';

/** Topics of the channels: `session:<session id>` and `inbox:<participant id>`. */
export type Topic =
  | { readonly kind: 'session'; readonly sessionId: SessionId | null }
  | { readonly kind: 'inbox'; readonly participantId: ParticipantId | null };

/** The topic of a session's channel. */
export function sessionTopic(id: SessionId): string {
  return `session:${id}`;
}

/** The topic of a participant's inbox channel. */
export function inboxTopic(id: ParticipantId): string {
  return `inbox:${id}`;
}

/**
 * What a topic names, or null when no channel has such a topic. An id that nothing can have is null: the
 * channel answers as it does for one that is absent.
 */
export function parseTopic(topic: string): Topic | null {
  const colon = topic.indexOf(':');
  const rest = topic.slice(colon + 1);
  switch (topic.slice(0, colon + 1)) {
    case 'session:':
      return { kind: 'session', sessionId: parseSessionId(rest) };
    case 'inbox:':
      return { kind: 'inbox', participantId: parseParticipantId(rest) };
    default:
      return null;
  }
}
