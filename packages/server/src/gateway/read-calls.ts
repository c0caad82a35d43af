import { type MessageId, type ParticipantId, type SessionId, wireError } from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import { findSeq } from '../conversation/history.ts';
import { hasMoreMembersThan, markRead, type ReadCursor } from '../conversation/read-cursor.ts';
import type { InboxSupervisor } from '../inbox/inbox-supervisor.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import type { SessionSupervisor } from '../sessions/session-supervisor.ts';
import type { Db } from '../storage/database.ts';
import { actsAs, seeSession } from './access.ts';
import { invalidField } from './invalid-field.ts';

export interface ReadCallsOptions {
  readonly db: Db;
  readonly sessions: SessionSupervisor;
  readonly inboxes: InboxSupervisor;
}

/** Which message was read: by id or seq; the newest when neither is given. */
export interface ReadRequest {
  /** Whose cursor: the caller's own if not said; the service must say. */
  readonly named?: ParticipantId | undefined;
  readonly messageId?: MessageId | undefined;
  readonly seq?: number | undefined;
}

/** In sessions with more members receipts go to the reader's own sockets only. */
const maxReceiptMembers = 100;

/** What callers do with read cursors. */
export class ReadCalls {
  readonly #options: ReadCallsOptions;

  constructor(options: ReadCallsOptions) {
    this.#options = options;
  }

  /** Moves a member's cursor; it never goes back. */
  async mark(
    principal: Principal,
    sessionId: SessionId | null,
    request: ReadRequest,
  ): Promise<Result<ReadCursor>> {
    const { db } = this.#options;
    const seen = await seeSession(db, principal, sessionId);
    if (!seen.ok) return seen;
    const reader = resolveReader(principal, request);
    if (!reader.ok) return reader;
    const { messageId } = request;
    const seq = messageId === undefined ? (request.seq ?? null) : await findSeq(db, seen.value.id, messageId);
    if (messageId !== undefined && seq === null) {
      return fail(invalidField('message_id', 'is not a message of this session'));
    }
    const cursor = await markRead(db, seen.value.id, reader.value, seq);
    if (!cursor) return fail(wireError('not_a_member'));
    await this.#tell(seen.value.id, reader.value, cursor);
    return ok(cursor);
  }

  /**
   * The inboxes show the count, also when nothing has moved: the answer of the call that moved it may have been
   * lost. Whoever follows the session sees the receipt.
   */
  async #tell(sessionId: SessionId, participantId: ParticipantId, cursor: ReadCursor): Promise<void> {
    const { db, sessions, inboxes } = this.#options;
    const { last_read_seq: seq, last_read_message_id: messageId, last_read_at: at } = cursor;
    const ownSentThroughRead = cursor.own_sent_through_read;
    inboxes.read(sessionId, { participantId, cursor: { seq, messageId, at }, ownSentThroughRead });
    if (!cursor.has_moved || !sessions.find(sessionId)) return;
    const isLarge = await hasMoreMembersThan(db, sessionId, maxReceiptMembers);
    const audience = isLarge ? 'reader' : 'everybody';
    sessions.receipt(sessionId, { participantId, lastReadSeq: seq, lastReadAt: at, audience });
  }
}

/** Whose cursor: the caller's own, or that of whom the service names. */
function resolveReader(principal: Principal, { named }: ReadRequest): Result<ParticipantId> {
  const participantId = named ?? (principal.kind === 'participant' ? principal.participantId : null);
  if (participantId === null) {
    return fail(invalidField('participant_id', 'is required: the service marks as read for a member'));
  }
  if (actsAs(principal, participantId)) return ok(participantId);
  return fail(wireError('forbidden', 'participant_id is somebody else: mark as read for yourself'));
}
