import type {
  AuthStrategy,
  BusyMode,
  Delivery,
  EndpointStatus,
  HistoryMode,
  JsonObject,
  MessageId,
  MessageKind,
  ParticipantId,
  ParticipantKind,
  Seq,
  SessionId,
  SessionKind,
  SessionStatus,
  StreamId,
  TurnId,
  TurnStatus,
} from '@fleetlm/protocol';
import type { ColumnType, Generated } from 'kysely';

/** The tables as Kysely sees them. Times are read as ISO 8601 texts, `bigint` as numbers: see `connection.ts`. */
export interface Database {
  participants: ParticipantsTable;
  chat_sessions: SessionsTable;
  session_members: MembersTable;
  chat_messages: MessagesTable;
  agent_endpoints: EndpointsTable;
  agent_turns: TurnsTable;
  agent_stream_segments: SegmentsTable;
  agent_delivery_logs: DeliveriesTable;
}

/** An ISO 8601 text; a default of the database's clock when not given. */
type Time = ColumnType<string, string | undefined, string>;
/** Parsed when read, written as JSON text. */
type JsonColumn = ColumnType<JsonObject, string | undefined, string>;

interface ParticipantsTable {
  id: ParticipantId;
  kind: ParticipantKind;
  display_name: string | null;
  status: Generated<'active' | 'disabled'>;
  metadata: JsonColumn;
  inserted_at: Time;
  updated_at: Time;
}

interface SessionsTable {
  id: SessionId;
  kind: SessionKind;
  status: Generated<SessionStatus>;
  initiator_id: ParticipantId;
  peer_id: ParticipantId | null;
  agent_id: ParticipantId | null;
  metadata: JsonColumn;
  version: Generated<number>;
  last_seq: Generated<number>;
  last_message_id: Generated<MessageId | null>;
  last_message_at: ColumnType<string | null, string | undefined, string>;
  inserted_at: Time;
  updated_at: Time;
  /** Agents that are or were members; null: none. */
  agent_ids: Generated<ParticipantId[] | null>;
}

interface MembersTable {
  session_id: SessionId;
  participant_id: ParticipantId;
  role: 'initiator' | 'peer' | 'member';
  wake: Generated<'mention' | 'always' | 'never'>;
  last_read_seq: Generated<number>;
  last_read_message_id: Generated<MessageId | null>;
  last_read_at: ColumnType<string | null, string | null | undefined, string | null>;
  own_sent: Generated<number>;
  own_sent_through_read: Generated<number>;
  activity_at: Time;
  listed: Generated<boolean>;
  joined_at: Time;
  left_at: ColumnType<string | null, string | undefined, string | null>;
}

interface MessagesTable {
  session_id: SessionId;
  seq: number;
  id: MessageId;
  sender_id: ParticipantId;
  kind: MessageKind;
  content: JsonColumn;
  metadata: JsonColumn;
  size: number;
  shard_key: number;
  client_id: string | null;
  hop: Generated<number>;
  inserted_at: Time;
}

interface EndpointsTable {
  agent_id: ParticipantId;
  origin_url: string;
  auth_strategy: Generated<AuthStrategy>;
  auth_value: string | null;
  headers: ColumnType<Record<string, string>, string | undefined, string>;
  timeout_ms: number;
  idle_timeout_ms: number;
  max_duration_ms: number;
  max_attempts: number;
  backoff_ms: number[];
  history_mode: HistoryMode;
  history_limit: number;
  debounce_ms: Generated<number>;
  when_busy: Generated<BusyMode>;
  status: Generated<EndpointStatus>;
  signing_secret: string;
  previous_secret: string | null;
  previous_secret_until: ColumnType<string | null, string | null | undefined, string | null>;
  inserted_at: Time;
  updated_at: Time;
}

interface TurnsTable {
  id: TurnId;
  agent_id: ParticipantId;
  session_id: SessionId;
  /** These two are no `Seq`: what an agent writes to an empty session has 0. */
  from_seq: number;
  to_seq: number;
  status: Generated<TurnStatus>;
  attempt: Generated<number>;
  epoch: Generated<number>;
  hop: number;
  /** The node that runs it; null also while it waits for its next attempt. */
  lease_owner: string | null;
  lease_until: ColumnType<string | null, string | null | undefined, string | null>;
  next_attempt_at: Time;
  stop_requested_at: ColumnType<string | null, string | null | undefined, string | null>;
  stream_id: StreamId | null;
  message_id: MessageId | null;
  reply_seq: Seq | null;
  error: string | null;
  /** A stream that the agent writes by itself. */
  is_written: Generated<boolean>;
  inserted_at: Time;
  updated_at: Time;
}

interface SegmentsTable {
  stream_id: StreamId;
  first_index: number;
  next_index: number;
  /** A JSON array of chunks. */
  chunks: string;
}

interface DeliveriesTable {
  id: string;
  agent_id: ParticipantId;
  turn_id: TurnId;
  session_id: SessionId;
  attempt: number;
  status: Delivery['status'];
  http_status: number | null;
  latency_ms: number;
  response_excerpt: string | null;
  error_reason: string | null;
  inserted_at: Time;
}
