import { type Kysely, sql } from 'kysely';

/**
 * Participants, sessions, members, messages.
 *
 * - Times are `timestamptz(3)`: milliseconds are what JSON and JavaScript carry, so that every reader of a row
 *   sees the very same value.
 * - Objects are `json`, the text as it came, not `jsonb`: that writes numbers out (5e-324 becomes 326 characters), so
 *   that a message of 32 KiB could come back with 1.5 MiB. `size` is that text's, in bytes: it bounds pages.
 * - Ids sort by bytes (`collate "C"`), whatever the database's locale.
 * - Messages have no foreign key to their session: the append holds the session's lock anyway, and the key
 *   halved its rate.
 * - `shard_key` is for later distribution of sessions over databases, `hop` for agents that answer each other, `wake`
 *   for when a message wakes one. `version` counts changes of status, metadata and members; `listed` is false for a
 *   member that left, and in archived sessions; `own_sent` counts a member's own messages.
 * - `fillfactor` leaves room for the rows that each append updates in place (HOT): none of the columns that an
 *   append moves is indexed.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
create table participants (
  id text collate "C" primary key check (char_length(id) between 1 and 128),
  kind text not null check (kind in ('user', 'agent', 'system')),
  display_name text,
  status text not null default 'active' check (status in ('active', 'disabled')),
  metadata json not null default '{}' check (json_typeof(metadata) = 'object'),
  inserted_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now()
);

create table chat_sessions (
  id text collate "C" primary key,
  kind text not null check (kind in ('human_dm', 'agent_dm', 'group')),
  status text not null default 'open' check (status in ('open', 'closed', 'archived')),
  initiator_id text collate "C" not null references participants (id),
  peer_id text collate "C" references participants (id),
  agent_id text collate "C" references participants (id),
  metadata json not null default '{}' check (json_typeof(metadata) = 'object'),
  version integer not null default 1,
  last_seq bigint not null default 0,
  last_message_id text collate "C",
  last_message_at timestamptz(3),
  inserted_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  check ((kind = 'group') = (peer_id is null))
) with (fillfactor = 70);

create table session_members (
  session_id text collate "C" not null references chat_sessions (id),
  participant_id text collate "C" not null references participants (id),
  role text not null check (role in ('initiator', 'peer', 'member')),
  wake text not null default 'mention' check (wake in ('mention', 'always', 'never')),
  last_read_seq bigint not null default 0,
  last_read_message_id text collate "C",
  last_read_at timestamptz(3),
  own_sent bigint not null default 0,
  own_sent_through_read bigint not null default 0,
  activity_at timestamptz(3) not null default now(),
  listed boolean not null default true,
  joined_at timestamptz(3) not null default now(),
  left_at timestamptz(3),
  primary key (session_id, participant_id),
  check (own_sent_through_read <= own_sent)
) with (fillfactor = 70);

create index session_members_inbox on session_members (participant_id, activity_at desc, session_id desc)
  where listed;
create index session_members_current on session_members (participant_id, session_id)
  where left_at is null;

create table chat_messages (
  session_id text collate "C" not null,
  seq bigint not null check (seq > 0),
  id text collate "C" not null,
  sender_id text collate "C" not null,
  kind text not null check (kind in ('text', 'system', 'tool_call', 'assistant')),
  content json not null check (json_typeof(content) = 'object'),
  metadata json not null check (json_typeof(metadata) = 'object'),
  size integer not null,
  shard_key smallint not null check (shard_key between 0 and 1023),
  client_id text collate "C",
  hop smallint not null default 0,
  inserted_at timestamptz(3) not null,
  primary key (session_id, seq)
);

create unique index chat_messages_id on chat_messages (id);
create unique index chat_messages_client_id on chat_messages (session_id, sender_id, client_id)
  where client_id is not null;

insert into participants (id, kind, display_name) values ('system:fleetlm', 'system', 'FleetLM');
`)
    .execute(db);
}
