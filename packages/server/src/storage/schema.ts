import type {
  JsonObject,
  MessageId,
  MessageKind,
  ParticipantId,
  ParticipantKind,
  SessionId,
  SessionKind,
  SessionStatus,
} from '@fleetlm/protocol';
import type { ColumnType, Generated } from 'kysely';

/** The tables as Kysely sees them. Times are read as ISO 8601 texts, `bigint` as numbers: see `connection.ts`. */
export interface Database {
  participants: ParticipantsTable;
  chat_sessions: SessionsTable;
  session_members: MembersTable;
  chat_messages: MessagesTable;
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
