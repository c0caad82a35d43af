import { Client } from 'pg';

export interface FillInboxOptions {
  readonly participantId: string;
  readonly peerId: string;
  readonly count: number;
  readonly messages?: number;
}

/**
 * Gives a participant `count` direct sessions with another one, who has said something in each, once or `messages`
 * times; the newest a second ago, each other session a second before. Straight into the tables, for numbers that no test could write through the
 * server. Returns the sessions' ids, the newest activity first.
 */
export async function fillInbox(
  url: string,
  { participantId, peerId, count, messages = 1 }: FillInboxOptions,
): Promise<string[]> {
  const client = new Client({ connectionString: url });
  // A Postgres that ends while somebody waits says so twice: to the statement, and here.
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query(
      'insert into participants (id, kind) values ($1, $3), ($2, $3) on conflict do nothing',
      [participantId, peerId, 'user'],
    );
    const { rows } = await client.query<{ ids: string[] }>(fillSql, [participantId, peerId, count, messages]);
    await client.query('analyze session_members, chat_sessions, chat_messages');
    return rows[0]!.ids;
  } finally {
    await client.end();
  }
}

/** Ids are hex digits of a hash: any 26 of Crockford's, the first below 8, make a ULID; these are older than all others. */
const fillSql = `
with session as (
  select n, '00' || upper(substr(md5($1 || ' session ' || n), 1, 24)) as id,
    date_trunc('milliseconds', now()) - n * interval '1 second' as at
  from generate_series(1, $3::int) n
),
message as (
  insert into chat_messages (session_id, seq, id, sender_id, kind, content, metadata, size, shard_key, inserted_at)
  select id, seq, '00' || upper(substr(md5($1 || ' message ' || n || ' ' || seq), 1, 24)), $2, 'text',
    json_build_object('text', 'message ' || n), '{}', 32, 0, at
  from session, generate_series(1, $4::int) seq
  returning session_id, seq, id
),
chat as (
  insert into chat_sessions (id, kind, initiator_id, peer_id, last_seq, last_message_id, last_message_at, inserted_at)
  select session.id, 'human_dm', $2, $1, $4, message.id, at, at
  from session join message on message.session_id = session.id and message.seq = $4
),
member as (
  insert into session_members (session_id, participant_id, role, own_sent, activity_at)
  select id, $2, 'initiator', $4, at from session
  union all
  select id, $1, 'peer', 0, at from session
)
select array_agg(id order by n) as ids from session`;
