import type { MessageId, ParticipantId, Seq, SessionId, StreamId, TurnId } from '@fleetlm/protocol';
import type { Result } from '../lib/result.ts';
import type { Termination } from '../streams/termination.ts';
import type { AnswerSource } from './answer/read-answer.ts';

/** A stream that an agent wrote by itself, once it is over. */
export interface WrittenStream {
  readonly turnId: TurnId;
  readonly streamId: StreamId;
  readonly messageId: MessageId;
  /** Null when nothing was said, and so nothing was stored. */
  readonly seq: Seq | null;
  readonly termination: Termination;
}

/** What callers may do with the turns that agents have. */
export interface TurnControl {
  /** Stops one stream, or all pending and running turns of a session; resolves once that is committed. */
  stop(sessionId: SessionId, streamId: StreamId | null): Promise<TurnId[]>;
  /** The session's status or members have changed: an agent that may not speak there any more is cut off. */
  recheck(sessionId: SessionId): Promise<void>;
  /** Runs a turn whose answer the agent sends by itself; `turn_running` while it has another one. */
  write(agentId: ParticipantId, sessionId: SessionId, source: AnswerSource): Promise<Result<WrittenStream>>;
}
