import { endpointDefaults } from './agent-shapes.ts';
import type { ShapeName } from './wire-shapes.ts';

const insertedAt = '2026-08-01T09:30:00.000Z';
const sessionId = '01K1J8Z0000000000000000000';
const messageId = '01K1J8Z5XG0000000000000000';
const turnId = '01K1J8Z6WR0000000000000000';

const session = {
  id: sessionId,
  kind: 'human_dm',
  status: 'open',
  initiator_id: 'user:alice',
  peer_id: 'user:bob',
  agent_id: null,
  metadata: {},
  version: 1,
  last_seq: 1,
  last_message_id: messageId,
  last_message_at: insertedAt,
  initiator_last_read_id: messageId,
  initiator_last_read_at: insertedAt,
  peer_last_read_id: null,
  peer_last_read_at: null,
  inserted_at: insertedAt,
  updated_at: insertedAt,
};

const message = {
  id: messageId,
  session_id: sessionId,
  seq: 1,
  sender_id: 'user:alice',
  kind: 'text',
  content: { text: 'Hello Bob!' },
  metadata: {},
  client_id: 'hello-1',
  inserted_at: insertedAt,
};

const endpoint = {
  agent_id: 'agent:bot',
  origin_url: 'https://agent.example/turns',
  auth_strategy: 'bearer',
  headers: {},
  ...endpointDefaults,
  previous_secret_until: null,
  inserted_at: insertedAt,
  updated_at: insertedAt,
};

const turn = {
  id: turnId,
  agent_id: 'agent:bot',
  session_id: sessionId,
  from_seq: 41,
  to_seq: 42,
  status: 'dead',
  attempt: 4,
  hop: 1,
  next_attempt_at: insertedAt,
  stop_requested_at: null,
  stream_id: null,
  message_id: null,
  reply_seq: null,
  error: 'server_error: answered 503',
  inserted_at: insertedAt,
  updated_at: insertedAt,
};

/** What the shapes look like when somebody uses them; documents show them, and tests check them. */
export const shapeExamples: Partial<Readonly<Record<ShapeName, object>>> = {
  ParticipantBody: { display_name: 'Alice' },
  DirectSessionBody: { initiator_id: 'user:alice', peer_id: 'user:bob' },
  GroupSessionBody: { kind: 'group', initiator_id: 'user:alice', member_ids: ['user:bob', 'user:carol'] },
  SessionChangeBody: { status: 'archived' },
  MemberBody: { wake: 'mention' },
  AppendBody: { sender_id: 'user:alice', content: { text: 'Hello Bob!' }, client_id: 'hello-1' },
  ReadBody: { participant_id: 'user:bob', seq: 1 },
  EndpointBody: { origin_url: 'https://agent.example/turns', auth_strategy: 'bearer', auth_value: 'a-token' },
  JoinPayload: { last_seq: 0 },
  SendPayload: { content: { content: { text: 'Hello Bob!' } }, client_id: 'hello-1' },
  ReadPayload: { seq: 1 },
  HistoryPayload: { before_seq: 51, limit: 50 },
  Participant: {
    id: 'user:alice',
    kind: 'user',
    display_name: 'Alice',
    status: 'active',
    metadata: {},
    inserted_at: insertedAt,
    updated_at: insertedAt,
  },
  Session: session,
  Message: message,
  Member: {
    participant_id: 'user:bob',
    role: 'peer',
    wake: 'mention',
    last_read_seq: 0,
    joined_at: insertedAt,
  },
  Endpoint: endpoint,
  EndpointTest: {
    ok: true,
    http_status: 200,
    latency_ms: 812,
    first_chunk_ms: 240,
    content_type: 'text/event-stream',
    chunks: 9,
    text: 'Hello! How can I help?',
    error_reason: null,
    response_excerpt: 'data: {"type":"start"} data: {"type":"text-start","id":"0"}',
  },
  Turn: turn,
  Delivery: {
    id: '01K1J8Z9G80000000000000000',
    agent_id: 'agent:bot',
    turn_id: turnId,
    session_id: sessionId,
    attempt: 1,
    status: 'retry',
    http_status: 503,
    latency_ms: 35,
    response_excerpt: 'try again later',
    error_reason: 'server_error: answered 503',
    inserted_at: insertedAt,
  },
  AppendReply: { message, deduplicated: false },
  HistoryReply: { messages: [message], has_more_before: false, has_more_after: false, last_seq: 1 },
  SendReply: {
    message: { id: messageId, seq: 1, inserted_at: insertedAt, client_id: 'hello-1' },
    deduplicated: false,
  },
  Receipt: { participant_id: 'user:bob', last_read_seq: 1, last_read_at: insertedAt },
  JoinReply: { session_id: sessionId, session, messages: [message], last_seq: 1, streams: [] },
  ErrorReply: {
    reason: 'session_not_found',
    message: 'The session does not exist, or you are not in it',
    retryable: false,
  },
  Problem: {
    type: '/docs/errors#session_not_found',
    title: 'The session does not exist, or you are not in it',
    status: 404,
    code: 'session_not_found',
    detail: 'The session does not exist, or you are not in it',
    request_id: '5c1e6a1e-6d3c-4d65-9a2b-1d2f3a4b5c6d',
    retryable: false,
  },
};
