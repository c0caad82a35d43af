import {
  type MessageId,
  type ParticipantId,
  type Session,
  type SessionId,
  wireError,
} from '@fleetlm/protocol';
import type { ParticipantRates } from '../auth/participant-rates.ts';
import type { Principal } from '../auth/principal.ts';
import type { Appender } from '../conversation/append/appender.ts';
import { findSeq, type HistoryRange, readHistory } from '../conversation/history.ts';
import type { ParticipantDirectory } from '../conversation/participant-directory.ts';
import type { Identity } from '../conversation/participants.ts';
import type { StoredMessage } from '../conversation/stored-message.ts';
import type { Log } from '../lib/log.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import type { ShedKind } from '../observability/labels.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Load } from '../runtime/load-monitor.ts';
import type { FeedReader, SessionFeed } from '../sessions/session-feed.ts';
import type { SessionSupervisor } from '../sessions/session-supervisor.ts';
import type { Db } from '../storage/database.ts';
import { encodeForJoiner } from '../streams/running-stream.ts';
import type { StreamRegistry } from '../streams/stream-registry.ts';
import { findBarred, seeSession } from './access.ts';
import {
  type Appended,
  type AppendRequest,
  type MessageLimits,
  resolveSender,
  toAppendResult,
  toDraft,
} from './append-request.ts';
import { followSession } from './follow-session.ts';
import { invalidField } from './invalid-field.ts';

export interface MessageCallsOptions {
  readonly db: Db;
  readonly appender: Appender;
  readonly directory: ParticipantDirectory;
  readonly sessions: SessionSupervisor;
  readonly streams: StreamRegistry;
  readonly limits: MessageLimits;
  readonly rates: ParticipantRates;
  readonly load: Load;
  readonly metrics: Metrics;
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
  /** Each as JSON: the streams that run, as far as the feed does not show them. */
  readonly streams: readonly string[];
  readonly feed: SessionFeed;
}

const tooMuch = fail(wireError('overloaded'));
const tooFast = fail(
  wireError('rate_limited', 'You send faster than is allowed: wait a second, then send again'),
);

/** What callers do with the messages of a session: append, read, follow. */
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
    const busy = this.#findFull('send');
    if (busy !== null || !this.#options.rates.mayAppend(principal)) {
      done(busy ?? tooFast);
      return;
    }
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
        const traceId = request.trace?.traceId;
        this.#options.log.error({ err: error, trace_id: traceId }, 'looking up a sender failed');
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
    const busy = this.#findFull('history');
    if (busy !== null) return busy;
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
    const busy = this.#findFull('join');
    if (busy !== null) return busy;
    const barred = await findBarred(this.#options.directory, principal);
    if (barred !== null) return fail(barred);
    const followed = await followSession(this.#options, principal, sessionId, reader);
    if (!followed.ok) return followed;
    const { session, server, feed } = followed.value;
    try {
      server.reached(session.last_seq);
      const head = Math.max(session.last_seq, server.lastSeq);
      const range = lastSeq === null ? { limit } : { afterSeq: Math.min(lastSeq, head), limit };
      const messages = await server.read(range, head);
      if (feed.isRevoked) return fail(wireError('session_not_found'));
      const cursor = messages.at(-1)?.seq ?? head;
      const streams = this.#takeStreams(session.id, feed);
      return ok({ session, messages, lastSeq: Math.max(head, server.lastSeq), cursor, streams, feed });
    } catch (error) {
      feed.end();
      throw error;
    }
  }

  /** Without a turn of the event loop between: the feed's first chunk of each is the one after these. */
  #takeStreams(sessionId: SessionId, feed: SessionFeed): string[] {
    feed.followStreams();
    return this.#options.streams.of(sessionId).map(encodeForJoiner);
  }

  /** The answer of a node that takes nothing new. */
  #findFull(what: ShedKind): typeof tooMuch | null {
    const { load, metrics } = this.#options;
    if (!load.isFull) return null;
    metrics.shed(what);
    return tooMuch;
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
