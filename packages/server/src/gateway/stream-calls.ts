import {
  type ListedStream,
  type ParticipantId,
  type SessionId,
  type StreamId,
  type TurnId,
  wireError,
} from '@fleetlm/protocol';
import type { AnswerSource } from '../agents/answer/read-answer.ts';
import type { TurnControl, WrittenStream } from '../agents/turn-control.ts';
import type { Principal } from '../auth/principal.ts';
import type { ParticipantDirectory } from '../conversation/participant-directory.ts';
import { readSession } from '../conversation/sessions.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import type { FeedReader } from '../sessions/session-feed.ts';
import type { SessionSupervisor } from '../sessions/session-supervisor.ts';
import type { Db } from '../storage/database.ts';
import type { Chunk } from '../streams/chunk.ts';
import type { RunningStream, StreamListener } from '../streams/running-stream.ts';
import type { StreamRegistry } from '../streams/stream-registry.ts';
import { seeSession } from './access.ts';
import { followSession } from './follow-session.ts';
import { invalidField } from './invalid-field.ts';

export interface StreamCallsOptions {
  readonly db: Db;
  readonly directory: ParticipantDirectory;
  readonly sessions: SessionSupervisor;
  readonly streams: StreamRegistry;
  readonly turns: TurnControl;
}

/** Who reads one stream, without a socket. */
export interface StreamReader extends StreamListener {
  /** Called first, with chunks that make the same message as all that were pushed before. */
  begun(chunks: readonly Chunk[]): void;
  /** The reading ends before the stream does: the reader may not see it any more, or has to come back. */
  cut(): void;
}

/** What callers do with the answers that agents are writing: list, stop, read, write. */
export class StreamCalls {
  readonly #options: StreamCallsOptions;

  constructor(options: StreamCallsOptions) {
    this.#options = options;
  }

  /** The streams that run in a session, oldest first. */
  async list(principal: Principal, sessionId: SessionId | null): Promise<Result<ListedStream[]>> {
    const { db, streams } = this.#options;
    const seen = await seeSession(db, principal, sessionId);
    return seen.ok ? ok(streams.of(seen.value.id).map(toListed)) : seen;
  }

  /** Stops one stream, or all that agents do in a session; gives the turns that end by it. */
  async stop(
    principal: Principal,
    sessionId: SessionId | null,
    streamId: StreamId | null,
  ): Promise<Result<TurnId[]>> {
    const { db, turns } = this.#options;
    const seen = await seeSession(db, principal, sessionId);
    return seen.ok ? ok(await turns.stop(seen.value.id, streamId)) : seen;
  }

  /**
   * Shows a stream to a reader, from its beginning; gives how to leave. Null: no such stream runs. A member that
   * is removed is cut at once.
   */
  async read(
    principal: Principal,
    sessionId: SessionId | null,
    streamId: StreamId | null,
    reader: StreamReader,
  ): Promise<Result<(() => void) | null>> {
    const seen = await seeSession(this.#options.db, principal, sessionId);
    if (!seen.ok) return seen;
    // Who asks whether there is something to resume mostly hears no: no feed for that.
    if (this.#find(seen.value.id, streamId) === null) return ok(null);
    const followed = await followSession(this.#options, principal, sessionId, watchFor(reader));
    if (!followed.ok) return followed;
    const { session, feed } = followed.value;
    const stream = this.#find(session.id, streamId);
    if (feed.isRevoked) return fail(wireError('session_not_found'));
    if (stream === null) {
      feed.end();
      return ok(null);
    }
    reader.begun(stream.compact().chunks);
    const unsubscribe = stream.subscribe(reader);
    return ok(() => {
      unsubscribe();
      feed.end();
    });
  }

  /** An agent streams what it says by itself, as a turn like any other. Answered when that is over. */
  async write(
    principal: Principal,
    sessionId: SessionId | null,
    named: ParticipantId | undefined,
    source: AnswerSource,
  ): Promise<Result<WrittenStream>> {
    const agent = await this.#resolveAgent(principal, named);
    if (!agent.ok) return agent;
    const view = sessionId === null ? null : await readSession(this.#options.db, sessionId, agent.value);
    const isHidden = principal.kind === 'participant' && !view?.viewerIsMember;
    if (view === null || isHidden) return fail(wireError('session_not_found'));
    if (!view.viewerIsMember) return fail(wireError('not_a_member'));
    if (view.session.status !== 'open') return fail(wireError('session_closed'));
    return this.#options.turns.write(agent.value, view.session.id, source);
  }

  #find(sessionId: SessionId, streamId: StreamId | null): RunningStream | null {
    const stream = streamId === null ? undefined : this.#options.streams.find(streamId);
    return stream?.facts.sessionId === sessionId ? stream : null;
  }

  /** Whose stream: the caller's own, or that of whom the service names. */
  async #resolveAgent(
    principal: Principal,
    named: ParticipantId | undefined,
  ): Promise<Result<ParticipantId>> {
    const self = principal.kind === 'participant' ? principal.participantId : null;
    const agentId = named ?? self;
    if (agentId === null)
      return fail(invalidField('agent_id', 'is required: the service writes for an agent'));
    if (self !== null && self !== agentId) {
      return fail(wireError('forbidden', 'agent_id is somebody else: write as yourself'));
    }
    const identity = await this.#options.directory.find(agentId);
    if (identity?.status === 'disabled') return fail(wireError('participant_disabled'));
    if (identity?.kind === 'agent') return ok(agentId);
    return fail(
      self === null
        ? invalidField('agent_id', 'is not an agent')
        : wireError('forbidden', 'only agents write streams'),
    );
  }
}

function toListed({ facts, nextIndex }: RunningStream): ListedStream {
  const { streamId, messageId, turnId, agentId } = facts;
  return {
    stream_id: streamId,
    message_id: messageId,
    turn_id: turnId,
    agent_id: agentId,
    next_index: nextIndex,
  };
}

/** A feed that is there to hear when it ends: of the session itself the reader is shown nothing. */
function watchFor(reader: StreamReader): FeedReader {
  return {
    push() {},
    deliver() {},
    drained: async () => {},
    failed: () => reader.cut(),
    revoked: () => reader.cut(),
  };
}
