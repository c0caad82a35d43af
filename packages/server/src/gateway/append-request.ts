import {
  type DraftInput,
  type ErrorCode,
  type ParticipantId,
  parseParticipantId,
  type SessionId,
  wireError,
} from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import type { Draft, Outcome } from '../conversation/append/draft.ts';
import type { Identity } from '../conversation/participants.ts';
import type { StoredMessage } from '../conversation/stored-message.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import { unreachable } from '../lib/unreachable.ts';
import type { Trace } from '../observability/tracing.ts';
import { invalidField } from './invalid-field.ts';

/** A message as an edge hands it in. */
export interface AppendRequest {
  readonly sessionId: SessionId;
  /** Whom the caller names as sender; null: itself. */
  readonly senderId: ParticipantId | null;
  readonly clientId: string | null;
  readonly input: DraftInput;
  /** Of the frame or request that asks for it. */
  readonly trace: Trace | null;
}

/** A committed message; `deduplicated` when it was stored by an earlier call with the same client_id. */
export interface Appended {
  readonly message: StoredMessage;
  readonly deduplicated: boolean;
}

export interface MessageLimits {
  readonly maxPersonBytes: number;
  readonly maxAgentBytes: number;
}

/** The sender of the server's own messages, and of the service's `system` ones. */
const systemSender = parseParticipantId('system:fleetlm')!;

/** Who sends: the caller itself, or whom the service names. */
export function resolveSender(
  principal: Principal,
  { senderId, input }: AppendRequest,
): Result<ParticipantId> {
  if (principal.kind === 'participant') {
    if (senderId !== null && senderId !== principal.participantId) {
      return fail(wireError('forbidden', 'sender_id is somebody else: leave it out to send as yourself'));
    }
    if (input.kind === 'system')
      return fail(wireError('forbidden', 'only the service may send system messages'));
    return ok(principal.participantId);
  }
  if (input.kind === 'system') return resolveSystemSender(senderId);
  if (senderId === null)
    return fail(invalidField('sender_id', 'is required: the service sends for a member'));
  return ok(senderId);
}

function resolveSystemSender(senderId: ParticipantId | null): Result<ParticipantId> {
  const isSystem = senderId === null || senderId === systemSender;
  return isSystem
    ? ok(systemSender)
    : fail(invalidField('sender_id', `of a system message is ${systemSender}`));
}

/** The draft to store, or what is wrong with it for this kind of sender. */
export function toDraft(
  { sessionId, clientId, input, trace }: AppendRequest,
  senderId: ParticipantId,
  sender: Identity | null,
  limits: MessageLimits,
): Result<Draft> {
  const isAgent = sender?.kind === 'agent';
  if (input.kind === 'assistant' && !isAgent) return fail(invalidField('kind', 'assistant is for agents'));
  if (senderId === systemSender && input.kind !== 'system')
    return fail(invalidField('kind', 'must be system'));
  const contentJson = JSON.stringify(input.content);
  const metadataJson = JSON.stringify(input.metadata);
  const maxBytes = isAgent ? limits.maxAgentBytes : limits.maxPersonBytes;
  if (!fits(contentJson, metadataJson, maxBytes)) {
    return fail(invalidField('content', `and metadata must not exceed ${maxBytes} bytes of JSON`));
  }
  const bypassMembership = input.kind === 'system';
  const { kind } = input;
  return ok({
    id: null,
    sessionId,
    senderId,
    kind,
    contentJson,
    metadataJson,
    clientId,
    bypassMembership,
    turn: null,
    trace,
  });
}

/** What the caller is told of an outcome. */
export function toAppendResult(principal: Principal, outcome: Outcome): Result<Appended> {
  switch (outcome.kind) {
    case 'stored':
      return ok({ message: outcome.message, deduplicated: false });
    case 'duplicate':
      return ok({ message: outcome.message, deduplicated: true });
    case 'not_a_member':
      // To somebody who is not in it, a session looks as if there were none.
      return fail(wireError(principal.kind === 'service' ? 'not_a_member' : 'session_not_found'));
    case 'invalid':
      return fail(invalidField('content', `cannot be stored: ${outcome.detail}`));
    default:
      return fail(wireError(errorCodeOf(outcome.kind)));
  }
}

function errorCodeOf(
  kind: Exclude<Outcome['kind'], 'stored' | 'duplicate' | 'not_a_member' | 'invalid'>,
): ErrorCode {
  switch (kind) {
    case 'conflict':
      return 'client_id_conflict';
    case 'failed':
    // Nobody's draft that came through here answers a turn.
    case 'turn_ended':
      return 'internal_error';
    case 'session_not_found':
    case 'session_closed':
    case 'overloaded':
    case 'outcome_unknown':
      return kind;
    default:
      return unreachable(kind);
  }
}

/** UTF-8 never takes fewer bytes than UTF-16 units, nor more than three times as many: the count is rarely needed. */
function fits(contentJson: string, metadataJson: string, maxBytes: number): boolean {
  const units = contentJson.length + metadataJson.length;
  if (units > maxBytes) return false;
  if (units * 3 <= maxBytes) return true;
  return Buffer.byteLength(contentJson) + Buffer.byteLength(metadataJson) <= maxBytes;
}
