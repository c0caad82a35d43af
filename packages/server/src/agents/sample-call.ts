import type { Message, MessageId, ParticipantId, Seq, Session, SessionId } from '@fleetlm/protocol';

const sessionId = '01K1J8Z0000000000000000000' as SessionId;
const messageId = '01K1J8Z5XG0000000000000000' as MessageId;
const userId = 'user:test' as ParticipantId;

/** A made-up session with the agent, and the one message in it: as callers of the API see them. */
export function sampleCall(agentId: ParticipantId, timestamp: string) {
  const session = {
    id: sessionId,
    kind: 'agent_dm',
    status: 'open',
    initiator_id: userId,
    peer_id: agentId,
    agent_id: agentId,
    metadata: {},
    version: 1,
    last_seq: 1,
    last_message_id: messageId,
    last_message_at: timestamp,
    initiator_last_read_id: messageId,
    initiator_last_read_at: timestamp,
    peer_last_read_id: null,
    peer_last_read_at: null,
    inserted_at: timestamp,
    updated_at: timestamp,
  } satisfies Session;
  const message = {
    id: messageId,
    session_id: sessionId,
    seq: 1 as Seq,
    sender_id: userId,
    kind: 'text',
    content: { text: 'Hello! This is a test from FleetLM.' },
    metadata: {},
    inserted_at: timestamp,
  } satisfies Message;
  return { session, message };
}
