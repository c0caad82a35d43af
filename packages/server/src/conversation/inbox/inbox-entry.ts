import type {
  InboxConversation,
  JsonObject,
  MessageId,
  ParticipantId,
  SessionId,
  SessionKind,
  SessionStatus,
} from '@fleetlm/protocol';

/** A read cursor with what the wire shows of it. */
export interface ShownCursor {
  readonly seq: number;
  readonly messageId: MessageId | null;
  readonly at: string | null;
}

/**
 * One session of one participant's inbox. Every number is absolute, so that what is known twice, or in another
 * order, is merged by taking the greater one.
 */
export interface InboxEntry {
  readonly sessionId: SessionId;
  readonly kind: SessionKind;
  readonly status: SessionStatus;
  readonly metadata: JsonObject;
  /** Counts the changes of status, metadata and members. */
  readonly version: number;
  readonly initiatorId: ParticipantId;
  readonly peerId: ParticipantId | null;
  readonly agentId: ParticipantId | null;
  readonly lastSeq: number;
  readonly lastMessageId: MessageId | null;
  readonly lastMessageAt: string | null;
  readonly preview: string | null;
  readonly initiatorRead: ShownCursor;
  readonly peerRead: ShownCursor;
  /** The participant's own cursor and counts: `unread` is arithmetic on them. */
  readonly lastReadSeq: number;
  readonly ownSent: number;
  readonly ownSentThroughRead: number;
  /** ISO 8601: what inboxes are ordered by; exact to the minute. */
  readonly activityAt: string;
}

/** Messages after the reader's cursor that are not its own. */
export function unreadCount({ lastSeq, lastReadSeq, ownSent, ownSentThroughRead }: InboxEntry): number {
  // A cursor may be known before the messages that it has passed.
  return Math.max(lastSeq - lastReadSeq - (ownSent - ownSentThroughRead), 0);
}

/** The entry as the wire shows it. */
export function toConversation(entry: InboxEntry): InboxConversation {
  return {
    session_id: entry.sessionId,
    kind: entry.kind,
    status: entry.status,
    metadata: entry.metadata,
    last_seq: entry.lastSeq,
    last_message_id: entry.lastMessageId,
    last_message_at: entry.lastMessageAt,
    last_message_preview: entry.preview,
    agent_id: entry.agentId,
    initiator_id: entry.initiatorId,
    peer_id: entry.peerId,
    initiator_last_read_id: entry.initiatorRead.messageId,
    initiator_last_read_at: entry.initiatorRead.at,
    peer_last_read_id: entry.peerRead.messageId,
    peer_last_read_at: entry.peerRead.at,
    unread_count: unreadCount(entry),
  };
}
