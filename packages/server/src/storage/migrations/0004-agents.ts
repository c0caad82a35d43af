import { type Kysely, sql } from 'kysely';

/**
 * Agents: endpoints, turns, segments of running streams, the log of deliveries.
 *
 * - `chat_sessions.agent_ids` are the agents that ever were members, in the row that an append reads anyway: a
 *   session without agents pays nothing for those that have some. Whether one is a member now, and when it wakes,
 *   its member row says.
 * - Turns have no foreign keys: an append that makes one holds its session's lock, and a key would lock the
 *   participant's row as well.
 * - `turns.next_attempt_at` is when a turn may be called. The claim looks for one agent after the other, so that
 *   turns that must wait, for a running one or because their agent is disabled, are nobody else's burden.
 * - `agent_turns_unanswered`: operators look for the few turns that nobody has answered; by `agent_turns_by_agent` alone an
 *   agent's whole past would be read for them, a second for each million turns.
 * - `segments.chunks` is `text`: chunks are as the agent sent them, and may hold what `json` does not take.
 * - `make_ulid` makes the ids of turns where they are made, inside the append.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
alter table chat_sessions add column agent_ids text[] collate "C";

update chat_sessions s
set agent_ids = found.agent_ids
from (
  select m.session_id, array_agg(m.participant_id order by m.participant_id) as agent_ids
  from session_members m join participants p on p.id = m.participant_id
  where p.kind = 'agent'
  group by m.session_id
) found
where found.session_id = s.id;

create table agent_endpoints (
  agent_id text collate "C" primary key references participants (id),
  origin_url text not null,
  auth_strategy text not null default 'none' check (auth_strategy in ('none', 'bearer', 'hmac')),
  auth_value text check ((auth_value is null) = (auth_strategy = 'none')),
  headers json not null default '{}' check (json_typeof(headers) = 'object'),
  timeout_ms integer not null,
  idle_timeout_ms integer not null,
  max_duration_ms integer not null,
  max_attempts smallint not null,
  backoff_ms integer[] not null,
  history_mode text not null check (history_mode in ('tail', 'last', 'entire')),
  history_limit smallint not null,
  debounce_ms integer not null default 0,
  when_busy text not null default 'queue' check (when_busy in ('queue', 'interrupt')),
  status text not null default 'enabled' check (status in ('enabled', 'disabled')),
  signing_secret text not null,
  previous_secret text,
  previous_secret_until timestamptz(3),
  inserted_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now()
);

create table agent_turns (
  id text collate "C" primary key,
  agent_id text collate "C" not null,
  session_id text collate "C" not null,
  from_seq bigint not null,
  to_seq bigint not null check (to_seq >= from_seq),
  status text not null default 'pending'
    check (status in ('pending', 'running', 'completed', 'failed', 'stopped', 'dead')),
  attempt smallint not null default 0,
  epoch integer not null default 0,
  hop smallint not null,
  lease_owner text collate "C",
  lease_until timestamptz(3),
  next_attempt_at timestamptz(3) not null default now(),
  stop_requested_at timestamptz(3),
  stream_id text collate "C",
  message_id text collate "C",
  reply_seq bigint,
  error text,
  is_written boolean not null default false,
  inserted_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now()
) with (fillfactor = 70);

create unique index agent_turns_pending on agent_turns (session_id, agent_id) where status = 'pending';
create unique index agent_turns_running on agent_turns (session_id, agent_id) where status = 'running';
create index agent_turns_due on agent_turns (agent_id, next_attempt_at) where status = 'pending';
create index agent_turns_by_agent on agent_turns (agent_id, id desc);
create index agent_turns_unanswered on agent_turns (agent_id, id desc) where status in ('failed', 'stopped', 'dead');
create index agent_turns_by_session on agent_turns (session_id, agent_id, id desc);
create unique index agent_turns_stream on agent_turns (stream_id) where stream_id is not null;

create table agent_stream_segments (
  stream_id text collate "C" not null,
  first_index integer not null,
  next_index integer not null,
  chunks text not null,
  primary key (stream_id, first_index)
);

create table agent_delivery_logs (
  id text collate "C" primary key,
  agent_id text collate "C" not null,
  turn_id text collate "C" not null,
  session_id text collate "C" not null,
  attempt smallint not null,
  status text not null check (status in ('sent', 'retry', 'failed')),
  http_status smallint,
  latency_ms integer not null,
  response_excerpt text,
  error_reason text,
  inserted_at timestamptz(3) not null default now()
);

create index agent_delivery_logs_by_agent on agent_delivery_logs (agent_id, id desc);
create index agent_delivery_logs_inserted on agent_delivery_logs (inserted_at);

create function make_ulid(at timestamptz) returns text
language sql volatile parallel safe as $$
  select string_agg(
    substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', 1 + case
      when place <= 10 then (((extract(epoch from at) * 1000)::bigint >> (50 - 5 * place)) & 31)::integer
      else floor(random() * 32)::integer
    end, 1), '' order by place)
  from generate_series(1, 26) place
$$;
`)
    .execute(db);
}
