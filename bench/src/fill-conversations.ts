import { quietLog } from '@fleetlm/testkit';
import { type ConnectionTarget, migrateDatabase } from 'fleetlm';
import type { DirectSession } from './chat-server.ts';
import { sampleText } from './load/sample-text.ts';
import { query, vacuum, withClient } from './postgres.ts';

/** So many conversations go on at once: their messages lie mixed in the table, as those of a real day do. */
const atOnce = 100;
/** Sessions of one initiator, from all times. */
const sessionsEach = 50;

export interface FillOrder {
  readonly sessions: number;
  readonly messagesEach: number;
}

/** Who to ask for what was filled: initiators from all over the table, and all of their sessions. */
export interface FilledSample {
  readonly people: readonly string[];
  readonly sessions: readonly DirectSession[];
}

/**
 * Writes direct sessions with their messages straight into the tables of an empty database, as the server
 * would have left them: one message a second until a minute ago, the two members in turn; some have not read
 * all. At the end the tables are vacuumed and everything is on disk.
 */
export async function fillConversations(target: ConnectionTarget, order: FillOrder): Promise<void> {
  if (order.sessions % Math.min(atOnce, order.sessions) !== 0)
    throw new Error(`${order.sessions} sessions are no multiple of ${atOnce}`);
  await migrateDatabase(target, quietLog);
  await withClient(target, async (client) => {
    await client.query(fillSql(order, Date.now()));
    await client.query(vacuum);
    await client.query('checkpoint');
  });
}

/** At most so many initiators of a filled database, with their sessions. */
export async function sampleConversations(
  target: ConnectionTarget,
  { sessions }: FillOrder,
  maxPeople: number,
): Promise<FilledSample> {
  const initiators = countInitiators(sessions);
  const count = Math.min(maxPeople, initiators);
  const people = Array.from({ length: count }, (_, n) => `user:a${Math.floor((n * initiators) / count)}`);
  const rows = await query<{ id: string; initiator_id: string; peer_id: string }>(
    target,
    'select id, initiator_id, peer_id from chat_sessions where initiator_id = any($1) order by id',
    [people],
  );
  const sampled = rows.map((row) => ({ id: row.id, initiatorId: row.initiator_id, peerId: row.peer_id }));
  return { people, sessions: sampled };
}

function countInitiators(sessions: number): number {
  return Math.ceil(sessions / sessionsEach);
}

/**
 * Message `n` of all is sent in second `n`, and lies at place `n` of the table. `atOnce` sessions take turns
 * until they have ended, then the next ones begin: session `s` has the messages `first_n`, `first_n` +
 * `width`, and so on.
 *
 * The tables are emptied in the transaction that fills them, so that a Postgres without replicas writes no
 * log of it. Ids are ULIDs: the time in Crockford's base 32, then digits of a hash, which are among them.
 */
function fillSql({ sessions, messagesEach }: FillOrder, nowMs: number): string {
  const width = Math.min(atOnce, sessions);
  const total = sessions * messagesEach;
  const startMs = nowMs - (total + 60) * 1_000;
  const timeDigits = Array.from(
    { length: 10 },
    (_, digit) => `substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', (ms >> ${5 * (9 - digit)} & 31)::int + 1, 1)`,
  );
  return `
begin;
truncate chat_messages, session_members, chat_sessions;

create function pg_temp.ms_of(n bigint) returns bigint language sql immutable
  return ${startMs} + n * 1000;
create function pg_temp.time_of(n bigint) returns timestamptz language sql immutable
  return to_timestamp(pg_temp.ms_of(n) / 1000.0)::timestamptz(3);
create function pg_temp.ulid(ms bigint, hash text) returns text language sql immutable
  return ${timeDigits.join(' || ')} || upper(left(hash, 16));
create function pg_temp.message_id(n bigint) returns text language sql immutable
  return pg_temp.ulid(pg_temp.ms_of(n), md5('message ' || n));

create temp table conversation on commit drop as
select s, pg_temp.ulid(pg_temp.ms_of(first_n), md5('session ' || s)) as id,
  'user:a' || s % ${countInitiators(sessions)} as initiator_id, 'user:b' || s as peer_id,
  first_n, first_n + ${(messagesEach - 1) * width} as last_n,
  greatest(${messagesEach} - s % 5, 0) as initiator_read, greatest(${messagesEach} - s % 3, 0) as peer_read
from (
  select s, s / ${width} * ${width * messagesEach} + s % ${width} as first_n from generate_series(0, ${sessions - 1}::bigint) s
) placed;
analyze conversation;

insert into participants (id, kind)
select distinct initiator_id, 'user' from conversation union all select peer_id, 'user' from conversation;

insert into chat_sessions
  (id, kind, initiator_id, peer_id, last_seq, last_message_id, last_message_at, inserted_at, updated_at)
select id, 'human_dm', initiator_id, peer_id, ${messagesEach}, pg_temp.message_id(last_n), pg_temp.time_of(last_n),
  pg_temp.time_of(first_n), pg_temp.time_of(last_n)
from conversation order by s;

insert into session_members
  (session_id, participant_id, role, last_read_seq, last_read_message_id, last_read_at, own_sent,
   own_sent_through_read, activity_at, joined_at)
select id, participant_id, role, read, 
  case when read > 0 then pg_temp.message_id(first_n + (read - 1) * ${width}) end,
  case when read > 0 then pg_temp.time_of(first_n + (read - 1) * ${width}) end,
  (${messagesEach} + is_first) / 2, (read + is_first) / 2, pg_temp.time_of(last_n), pg_temp.time_of(first_n)
from conversation
cross join lateral (
  values (initiator_id, 'initiator', initiator_read, 1), (peer_id, 'peer', peer_read, 0)
) as member (participant_id, role, read, is_first)
order by s;

insert into chat_messages
  (session_id, seq, id, sender_id, kind, content, metadata, size, shard_key, client_id, inserted_at)
select id, seq, pg_temp.ulid(pg_temp.ms_of(n), hash), case seq % 2 when 1 then initiator_id else peer_id end, 'text',
  content::json, '{}', octet_length(content) + 2, 0, hash::uuid::text, pg_temp.time_of(n)
from generate_series(0, ${total - 1}::bigint) n
join conversation on s = n / ${width * messagesEach} * ${width} + n % ${width}
cross join lateral (
  select n % ${width * messagesEach} / ${width} + 1 as seq, md5('message ' || n) as hash,
    '{"text":"${sampleText}","n":"' || n || '"}' as content
) message;

commit;`;
}
