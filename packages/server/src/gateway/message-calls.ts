import {
  type MessageId,
  type ParticipantId,
  type Session,
  type SessionId,
  wireError,
} from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import type { Appender } from '../conversation/append/appender.ts';
import { findSeq, type HistoryRange, readHistory } from '../conversation/history.ts';
import type { Identity, ParticipantDirectory } from '../conversation/participant-directory.ts';
import { hasMoreMembersThan, markRead, type ReadCursor } from '../conversation/read-cursor.ts';
import type { StoredMessage } from '../conversation/stored-message.ts';
import type { InboxSupervisor } from '../inbox/inbox-supervisor.ts';
import type { Log } from '../lib/log.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import type { FeedReader, SessionFeed } from '../sessions/session-feed.ts';
import type { SessionSupervisor } from '../sessions/session-supervisor.ts';
import type { Db } from '../storage/database.ts';
import { actsAs, findBarred, seeSession } from './access.ts';
import {
  type Appended,
  type AppendRequest,
  type MessageLimits,
  resolveSender,
  toAppendResult,
  toDraft,
} from './append-request.ts';
import { invalidField } from './invalid-field.ts';

export interface MessageCallsOptions {
  readonly db: Db;
  readonly appender: Appender;
  readonly directory: ParticipantDirectory;
  readonly sessions: SessionSupervisor;
  readonly inboxes: InboxSupervisor;
  readonly limits: MessageLimits;
  readonly log: Log;
}

export interface HistoryQuery extends HistoryRange {
  /** Instead of `afterSeq`, for clients that remember ids. */
  readonly afterId?: MessageId | undefined;
}

/** A page of messages, ascending, and what lies beyond it. */
export interface HistoryPage {
  readonly messages: readonly StoredMessage[];
  readonly hasMoreBefore: boolean;
  readonly hasMoreAfter: boolean;
  readonly lastSeq: number;
}

/** A session that is being read: the first page, and the feed that goes on from it once it is started. */
export interface JoinedSession {
  readonly session: Session;
  readonly messages: readonly StoredMessage[];
  readonly lastSeq: number;
  /** Where the feed starts. */
  readonly cursor: number;
  readonly feed: SessionFeed;
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

/** What callers do with the messages of a session: append, read, follow, mark read. */
export class MessageCalls {
  readonly #options: MessageCallsOptions;

  constructor(options: MessageCallsOptions) {
    this.#options = options;
  }

  /**
   * Stores a message. `done` is called once: synchronously if the call is refused at once, else as soon as the
   * message is committed and before anybody else hears of it. When the sender has to be looked up first, a
   * promise tells that the message has its place in line: a caller whose messages must keep their order waits.
   */
  append(
    principal: Principal,
    request: AppendRequest,
    done: (result: Result<Appended>) => void,
  ): void | Promise<void> {
    const sender = resolveSender(principal, request);
    if (!sender.ok) {
      done(sender);
      return;
    }
    const { directory } = this.#options;
    const identity = directory.peek(sender.value);
    if (identity !== undefined) {
      this.#appendAs(principal, request, sender.value, identity, done);
      return;
    }
    return directory.find(sender.value).then(
      (found) => this.#appendAs(principal, request, sender.value, found, done),
      (error: unknown) => {
        this.#options.log.error({ err: error }, 'looking up a sender failed');
        done(fail(wireError('internal_error')));
      },
    );
  }

  async history(
    principal: Principal,
    sessionId: SessionId | null,
    { afterId, ...range }: HistoryQuery,
  ): Promise<Result<HistoryPage>> {
    const { db, sessions } = this.#options;
    const seen = await seeSession(db, principal, sessionId);
    if (!seen.ok) return seen;
    const { id, last_seq: lastSeq } = seen.value;
    const afterSeq = afterId === undefined ? range.afterSeq : await findSeq(db, id, afterId);
    if (afterSeq === null) return fail(invalidField('after_id', 'is not a message of this session'));
    const wanted = { ...range, afterSeq };
    const server = sessions.find(id);
    const messages = await (server ? server.read(wanted, lastSeq) : readHistory(db, id, wanted));
    return ok(toHistoryPage(messages, wanted, lastSeq));
  }

  /** Opens a session for reading: the page after `lastSeq`, or the newest, and a feed for what follows. */
  async join(
    principal: Principal,
    sessionId: SessionId | null,
    { lastSeq, limit }: { lastSeq: number | null; limit: number },
    reader: FeedReader,
  ): Promise<Result<JoinedSession>> {
    const { db, directory, sessions } = this.#options;
    const { changes } = sessions;
    const barred = await findBarred(directory, principal);
    if (barred !== null) return fail(barred);
    const seen = await seeSession(db, principal, sessionId);
    if (!seen.ok) return seen;
    const server = await sessions.use(seen.value.id);
    const feed = server.attach(reader, principal.kind === 'participant' ? principal.participantId : null);
    try {
      // Of what changed since the session was read the feed was not told, nor closed by it: it was not there yet.
      const still = changes === sessions.changes ? seen : await seeSession(db, principal, sessionId);
      if (!still.ok) {
        feed.end();
        return still;
      }
      const session = still.value;
      server.reached(session.last_seq);
      const head = Math.max(session.last_seq, server.lastSeq);
      const range = lastSeq === null ? { limit } : { afterSeq: Math.min(lastSeq, head), limit };
      const messages = await server.read(range, head);
      if (feed.isRevoked) return fail(wireError('session_not_found'));
      const cursor = messages.at(-1)?.seq ?? head;
      return ok({ session, messages, lastSeq: Math.max(head, server.lastSeq), cursor, feed });
    } catch (error) {
      feed.end();
      throw error;
    }
  }

  async markRead(
    principal: Principal,
    sessionId: SessionId | null,
    request: ReadRequest,
  ): Promise<Result<ReadCursor>> {
    const { db } = this.#options;
    const seen = await seeSession(db, principal, sessionId);
    if (!seen.ok) return seen;
    const { messageId } = request;
    const participantId =
      request.named ?? (principal.kind === 'participant' ? principal.participantId : null);
    if (participantId === null) {
      return fail(invalidField('participant_id', 'is required: the service marks as read for a member'));
    }
    if (!actsAs(principal, participantId)) {
      return fail(wireError('forbidden', 'participant_id is somebody else: mark as read for yourself'));
    }
    const seq = messageId === undefined ? (request.seq ?? null) : await findSeq(db, seen.value.id, messageId);
    if (messageId !== undefined && seq === null) {
      return fail(invalidField('message_id', 'is not a message of this session'));
    }
    const cursor = await markRead(db, seen.value.id, participantId, seq);
    if (!cursor) return fail(wireError('not_a_member'));
    if (cursor.has_moved) await this.#tellRead(seen.value.id, participantId, cursor);
    return ok(cursor);
  }

  /** The other members see the receipt, the inboxes the count. */
  async #tellRead(sessionId: SessionId, participantId: ParticipantId, cursor: ReadCursor): Promise<void> {
    const { db, sessions, inboxes } = this.#options;
    const { last_read_seq: seq, last_read_message_id: messageId, last_read_at: at } = cursor;
    const ownSentThroughRead = cursor.own_sent_through_read;
    inboxes.read(sessionId, { participantId, cursor: { seq, messageId, at }, ownSentThroughRead });
    const isLarge = await hasMoreMembersThan(db, sessionId, maxReceiptMembers);
    const audience = isLarge ? 'reader' : 'everybody';
    sessions.receipt(sessionId, { participantId, lastReadSeq: seq, lastReadAt: at, audience });
  }

  #appendAs(
    principal: Principal,
    request: AppendRequest,
    senderId: ParticipantId,
    sender: Identity | null,
    done: (result: Result<Appended>) => void,
  ): void {
    if (sender?.status === 'disabled') {
      done(fail(wireError('participant_disabled')));
      return;
    }
    const draft = toDraft(request, senderId, sender, this.#options.limits);
    if (!draft.ok) {
      done(draft);
      return;
    }
    this.#options.appender.append(draft.value, (outcome) => done(toAppendResult(principal, outcome)));
  }
}

function toHistoryPage(
  messages: readonly StoredMessage[],
  { afterSeq, beforeSeq }: HistoryRange,
  lastSeq: number,
): HistoryPage {
  // An empty page lies where it was looked for: right after its cursor, or right before it.
  const after = afterSeq ?? Math.max((beforeSeq ?? 0) - 1, 0);
  const first = messages[0]?.seq ?? Math.min(after, lastSeq) + 1;
  const last = messages.at(-1)?.seq ?? first - 1;
  return {
    messages,
    hasMoreBefore: first > 1,
    hasMoreAfter: last < lastSeq,
    lastSeq: Math.max(last, lastSeq),
  };
}
