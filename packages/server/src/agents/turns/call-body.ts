import type { ParticipantId, TurnId } from '@fleetlm/protocol';

/** What an agent is told of its turn. */
export interface CallContent {
  readonly turnId: TurnId;
  readonly attempt: number;
  readonly agentId: ParticipantId;
  readonly sessionJson: string;
  /** Oldest first. */
  readonly messagesJson: readonly string[];
  /** The first message that the agent has not been called with. */
  readonly newFromSeq: number;
  /** ISO 8601. */
  readonly timestamp: string;
  /** A sample: nothing is stored of the answer. */
  readonly isTest?: boolean;
}

/** Most JSON of the messages in a call: some hundred pages of talk, and nothing that a web framework refuses. */
export const maxMessagesBytes = 1 << 20;

/**
 * The body of a call, as it is signed and sent. Messages are JSON texts already, and go out as they are. Of more than
 * `maxMessagesBytes` the oldest are left out; the newest is always there.
 */
export function encodeCallBody({ sessionJson, messagesJson, ...content }: CallContent): Buffer {
  const { turnId, attempt, agentId, newFromSeq, timestamp, isTest = false } = content;
  const facts = JSON.stringify({ turn_id: turnId, attempt, agent_id: agentId }).slice(0, -1);
  const messages = messagesJson.slice(firstThatFits(messagesJson)).join(',');
  const test = isTest ? ',"test":true' : '';
  return Buffer.from(
    `{"type":"turn.requested","timestamp":${JSON.stringify(timestamp)},"data":${facts},"session":${sessionJson},"messages":[${messages}],"new_from_seq":${newFromSeq}${test}}}`,
  );
}

function firstThatFits(messages: readonly string[]): number {
  let bytes = 0;
  for (let index = messages.length - 1; index >= 0; index -= 1) {
    bytes += Buffer.byteLength(messages[index]!) + 1;
    if (bytes > maxMessagesBytes) return Math.min(index + 1, messages.length - 1);
  }
  return 0;
}
