import {
  type DraftInput,
  hopLimitKeyPrefix,
  type MessageId,
  parseParticipantId,
  type SessionId,
  turnKeyPrefix,
} from '@fleetlm/protocol';
import type { Draft } from '../../conversation/append/draft.ts';
import type { TurnEnd } from '../../observability/labels.ts';
import type { Trace } from '../../observability/tracing.ts';
import type { StreamEnding } from '../../streams/stream-assembler.ts';
import type { RunningTurn } from './running-turn.ts';

const systemSender = parseParticipantId('system:fleetlm')!;

/** What a message says of the turn that it belongs to. */
interface ReplyFacts {
  readonly turn: RunningTurn;
  readonly endsAs: TurnEnd | null;
  /** For operators: it is stored with the turn. */
  readonly error: string | null;
  readonly trace: Trace | null;
}

/** The message that a stream has become; readers know its id already. */
export function streamDraft(facts: ReplyFacts, messageId: MessageId, ending: StreamEnding): Draft {
  const { parts, role, metadata = {} } = ending.message;
  const { termination } = ending;
  return {
    ...replyDraft(facts, 0),
    kind: 'assistant',
    contentJson: JSON.stringify({ id: messageId, role, parts }),
    metadataJson: JSON.stringify({ ...metadata, termination, turn_id: facts.turn.id }),
    id: messageId,
  };
}

/** The messages of an answer that did not stream, the last of which ends the turn. */
export function messageDrafts(facts: ReplyFacts, inputs: readonly DraftInput[]): Draft[] {
  return inputs.map(({ kind, content, metadata }, index) => ({
    ...replyDraft({ ...facts, endsAs: index === inputs.length - 1 ? facts.endsAs : null }, index),
    kind,
    contentJson: JSON.stringify(content),
    metadataJson: JSON.stringify({ ...metadata, turn_id: facts.turn.id }),
  }));
}

/** What people see of a turn that failed without a word: who asked must not wait for ever. */
export function noticeDraft(facts: ReplyFacts, reason: string): Draft {
  const { agentId, id } = facts.turn;
  return {
    ...replyDraft(facts, 0),
    ...systemFields(`${agentId} could not answer (${reason}).`, { agent_id: agentId, turn_id: id, reason }),
    clientId: `${turnKeyPrefix}${id}:notice`,
  };
}

/** What people see when agents have answered each other for too long. */
export function hopLimitDraft(sessionId: SessionId, messageId: MessageId, hopLimit: number): Draft {
  const text = `Agents have answered each other ${hopLimit} times: they are not called again until a person writes.`;
  return {
    sessionId,
    ...systemFields(text, { reason: 'hop_limit', message_id: messageId }),
    clientId: `${hopLimitKeyPrefix}${messageId}`,
    trace: null,
    id: null,
    turn: null,
  };
}

function systemFields(text: string, metadata: object) {
  return {
    senderId: systemSender,
    kind: 'system' as const,
    contentJson: JSON.stringify({ text }),
    metadataJson: JSON.stringify(metadata),
    bypassMembership: true,
  };
}

/** The key is the turn and the place of the message in it: however often a turn is answered, it stands once. */
function replyDraft({ turn, endsAs, error, trace }: ReplyFacts, index: number) {
  return {
    sessionId: turn.sessionId,
    senderId: turn.agentId,
    clientId: `${turnKeyPrefix}${turn.id}:${index}`,
    bypassMembership: false,
    trace,
    id: null,
    turn: { turnId: turn.id, epoch: turn.epoch, endsAs, error },
  };
}
