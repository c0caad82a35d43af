import type { MessageId, ParticipantId, SessionId, StreamId, TurnId } from '@fleetlm/protocol';

/** A turn that runs on this node: its lease is ours, and nobody else has its epoch. */
export interface RunningTurn {
  readonly id: TurnId;
  readonly agentId: ParticipantId;
  readonly sessionId: SessionId;
  /** Where the messages begin that woke the agent; no `Seq`: what an agent writes to an empty session begins at 0. */
  readonly fromSeq: number;
  /** What the agent is told of the session ends here. */
  readonly toSeq: number;
  /** 1 for the first call. */
  readonly attempt: number;
  readonly epoch: number;
  readonly hop: number;
  /** Set once something may have been shown: then the turn is not called again. */
  readonly stream: { readonly id: StreamId; readonly messageId: MessageId } | null;
  readonly stopRequested: boolean;
  /** The agent writes it by itself: nobody waits for an answer. */
  readonly isWritten: boolean;
  /** How long ago the message was stored that made it. */
  readonly ageMs: number;
}
