import type { MessageId, MessageKind, ParticipantId, SessionId, TurnId } from '@fleetlm/protocol';
import type { TurnEnd } from '../../observability/labels.ts';
import type { Trace } from '../../observability/tracing.ts';
import type { StoredMessage } from '../stored-message.ts';

/** The turn that a message answers, for whoever runs the turn. */
export interface TurnReply {
  readonly turnId: TurnId;
  /** In which the turn was claimed: in another one it is somebody else's. */
  readonly epoch: number;
  /** With this message, its last, the turn ends as this; null: more follows. */
  readonly endsAs: TurnEnd | null;
  /** Why it did not end as `completed`. */
  readonly error: string | null;
}

/** A message that wants to be stored: validated, its JSON already text. */
export interface Draft {
  /** Under which it is to be stored: a streamed message was shown under its id before. Null: a new one. */
  readonly id: MessageId | null;
  readonly sessionId: SessionId;
  readonly senderId: ParticipantId;
  readonly kind: MessageKind;
  readonly contentJson: string;
  readonly metadataJson: string;
  /** The sender's key for this message: a retry with the same one never stores it twice. */
  readonly clientId: string | null;
  /** System messages need no membership. */
  readonly bypassMembership: boolean;
  readonly turn: TurnReply | null;
  /** Of the frame or request that it came with. */
  readonly trace: Trace | null;
}

/** A draft with the id under which it is stored, the same in every attempt. */
export interface IdentifiedDraft extends Draft {
  readonly id: MessageId;
}

/**
 * What became of a draft. All but `outcome_unknown` are definite:
 * - `stored`: committed now.
 * - `duplicate`: the same sender stored the same under this client_id before; `lastSeq` is the session's.
 * - `conflict`: the client_id was used for another message, which stands.
 * - `turn_ended`: the turn that it answers does not run, in another epoch, or is to stop.
 * - `invalid`: Postgres refused its data.
 * - `overloaded`: it waited in vain, for room or for a lock.
 * - `failed`: Postgres refused the transaction for a reason of its own.
 * - `outcome_unknown`: it may or may not be stored; a retry with the same client_id tells.
 */
export type Outcome =
  | { readonly kind: 'stored'; readonly message: StoredMessage }
  | { readonly kind: 'duplicate'; readonly message: StoredMessage; readonly lastSeq: number }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'session_not_found' }
  | { readonly kind: 'not_a_member' }
  | { readonly kind: 'session_closed' }
  | { readonly kind: 'turn_ended' }
  | { readonly kind: 'invalid'; readonly detail: string }
  | { readonly kind: 'overloaded' }
  | { readonly kind: 'failed' }
  | { readonly kind: 'outcome_unknown' };

/** Told once, synchronously, as soon as the outcome is known: it must not throw. */
export type OnOutcome = (outcome: Outcome) => void;
