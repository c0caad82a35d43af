-- Step 2 of an append: judges each draft, stores those that pass, and moves what depends on them. It runs under
-- the sessions' locks, on a snapshot taken after them, so nothing that it reads of these sessions can change.
-- $1…$9 one element per draft: id, session, sender, kind, content, metadata, client_id, shard_key, bypass
--       (system messages need no membership)
-- $10   whether an earlier attempt may have stored some of these drafts under the same ids
-- The lookups are lateral, by key: the plan must stay a nested loop over the drafts however large the tables
-- grow (see writer-settings.ts).
with draft as materialized (
  select ord, id, session_id, sender_id, kind, content::json, metadata::json,
    octet_length(content) + octet_length(metadata) as size, client_id, shard_key, bypass
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
              $8::smallint[], $9::boolean[])
    with ordinality as d (id, session_id, sender_id, kind, content, metadata, client_id, shard_key, bypass, ord)
),
judged as materialized (
  select
    draft.*,
    session.last_seq,
    session.last_message_at,
    coalesce(earlier.id, twin.id) as found_id,
    coalesce(earlier.seq, twin.seq) as found_seq,
    coalesce(earlier.inserted_at, twin.inserted_at) as found_at,
    case
      when session.id is null then 'session_not_found'
      when earlier.id is not null then 'already_stored'
      when twin.id is not null then
        case
          when twin.kind = draft.kind
            and twin.content::jsonb = draft.content::jsonb
            and twin.metadata::jsonb = draft.metadata::jsonb
          then 'duplicate'
          else 'conflict'
        end
      when member.participant_id is null and not draft.bypass then 'not_a_member'
      when session.status <> 'open' then 'session_closed'
      else 'stored'
    end as outcome
  from draft
  left join lateral (
    select s.id, s.status, s.last_seq, s.last_message_at from chat_sessions s where s.id = draft.session_id
  ) session on true
  left join lateral (
    -- As a condition of its own, $10 would be looked at after the row was looked for.
    select m.id, m.seq, m.inserted_at from chat_messages m where m.id = case when $10::boolean then draft.id end
  ) earlier on true
  left join lateral (
    select m.id, m.seq, m.inserted_at, m.kind, m.content, m.metadata
    from chat_messages m
    where m.session_id = draft.session_id and m.sender_id = draft.sender_id and m.client_id = draft.client_id
  ) twin on true
  left join lateral (
    select m.participant_id
    from session_members m
    where m.session_id = draft.session_id and m.participant_id = draft.sender_id and m.left_at is null
  ) member on true
),
fresh as materialized (
  select
    judged.*,
    last_seq + row_number() over (partition by session_id order by ord) as seq,
    -- Clocks jump; a message is never dated before the one that it follows.
    greatest(statement_timestamp()::timestamptz(3), last_message_at) as inserted_at
  from judged
  where outcome = 'stored'
),
inserted as (
  insert into chat_messages
    (session_id, seq, id, sender_id, kind, content, metadata, size, shard_key, client_id, inserted_at)
  select session_id, seq, id, sender_id, kind, content, metadata, size, shard_key, client_id, inserted_at
  from fresh
  order by ord
),
moved as (
  update chat_sessions s
  set last_seq = newest.seq,
      last_message_id = newest.id,
      last_message_at = newest.inserted_at,
      updated_at = newest.inserted_at
  from (
    select distinct on (session_id) session_id, seq, id, inserted_at from fresh order by session_id, seq desc
  ) newest
  where s.id = newest.session_id
),
counted as (
  update session_members m
  set own_sent = m.own_sent + sent.count
  from (select session_id, sender_id, count(*) as count from fresh group by session_id, sender_id) sent
  where m.session_id = sent.session_id and m.participant_id = sent.sender_id
)
select ord, 'stored', id, seq, inserted_at, null::bigint from fresh
union all
select ord, outcome, found_id, found_seq, found_at, last_seq from judged where outcome <> 'stored'
