-- Step 2 of an append: judges each draft, stores those that pass, and moves what depends on them. It runs under
-- the sessions' locks, on a snapshot taken after them, so nothing that it reads of these sessions can change.
-- $1…$9 one element per draft: id, session, sender, kind, content, metadata, client_id, shard_key, bypass
--       (system messages need no membership)
-- $10   whether an earlier attempt may have stored some of these drafts under the same ids
-- $11   the highest hop of a turn; null: the sessions are taken to have no agents, and those that do are `has_agents`
-- $12…$14 the turn that a draft answers, in which epoch, and as what it ends the turn; null each, or null for all
-- The lookups are lateral or scalar, by key: the plan must stay a nested loop over the drafts however large the
-- tables grow (see lookup-plans.ts).
-- Two statements are made of this text. The one for sessions without agents lacks what stands in sections that begin
-- with "agents" and end with "end": a plan pays for each of its nodes, whether it is executed or not.
with draft as materialized (
  select ord, id, session_id, sender_id, kind, content::json, metadata::json,
    octet_length(content) + octet_length(metadata) as size, client_id, shard_key, bypass
    /* agents */, turn_id, epoch, ends_as /* end */
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
              $8::smallint[], $9::boolean[] /* agents */, $12::text[], $13::integer[], $14::text[] /* end */)
    with ordinality as d (id, session_id, sender_id, kind, content, metadata, client_id, shard_key, bypass,
                          /* agents */ turn_id, epoch, ends_as, /* end */ ord)
),
judged as materialized (
  select
    verdict.*
    /* agents */,
    case
      when outcome = 'already_stored' then found_hop
      when turn_id is not null then turn_hop
      when sender_id = any (agent_ids) then coalesce((
        select t.hop from agent_turns t
        where t.session_id = verdict.session_id and t.agent_id = verdict.sender_id
        order by t.id desc
        limit 1
      ), 0)
      else 0
    end as hop,
    -- The agents that the message wakes, whether its hop lets it or not; null: none. What was left of an answer by a
    -- stop wakes nobody: else agents would go on among themselves after it.
    case when agent_ids is not null and kind <> 'system' and outcome in ('stored', 'already_stored')
      and ends_as is distinct from 'stopped' then (
      select array_agg(agent.id)
      from unnest(agent_ids) as agent (id)
      where agent.id <> sender_id
        and case (
          select case when session_kind = 'group' then m.wake else 'always' end
          from session_members m
          where m.session_id = verdict.session_id and m.participant_id = agent.id and m.left_at is null
        )
          when 'always' then true
          when 'mention' then mentions ? agent.id
          else false
        end
        and (select true from agent_endpoints e where e.agent_id = agent.id)
    ) end as wakes
    /* end */
  from (
    select
      draft.*,
      session.last_seq,
      session.last_message_at,
      coalesce(earlier.id, twin.id) as found_id,
      coalesce(earlier.seq, twin.seq) as found_seq,
      coalesce(earlier.inserted_at, twin.inserted_at) as found_at,
      /* agents */
      session.kind as session_kind,
      session.agent_ids,
      earlier.hop as found_hop,
      turn.hop as turn_hop,
      -- The first 1,000, as many as a group has members as a rule: each agent is looked for among them.
      case when session.agent_ids is not null and json_typeof(draft.metadata -> 'mentions') = 'array' then
        jsonb_path_query_array((draft.metadata -> 'mentions')::jsonb, '$[0 to 999]')
      end as mentions,
      /* end */
      case
        when session.id is null then 'session_not_found'
        when $11::integer is null and session.agent_ids is not null then 'has_agents'
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
        /* agents */
        when draft.turn_id is not null and not coalesce(
          turn.status = 'running'
            and turn.epoch = draft.epoch
            and (turn.stop_requested_at is null or draft.ends_as = 'stopped'),
          false) then 'turn_ended'
        /* end */
        else 'stored'
      end as outcome
    from draft
    left join lateral (
      select s.id, s.status, s.agent_ids, s.last_seq, s.last_message_at /* agents */, s.kind /* end */
      from chat_sessions s
      where s.id = draft.session_id
    ) session on true
    left join lateral (
      -- As a condition of its own, $10 would be looked at after the row was looked for.
      select m.id, m.seq, m.inserted_at /* agents */, m.hop /* end */
      from chat_messages m
      where m.id = case when $10::boolean then draft.id end
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
    /* agents */
    left join lateral (
      select t.status, t.epoch, t.stop_requested_at, t.hop
      from agent_turns t
      where t.id = draft.turn_id and t.session_id = draft.session_id
    ) turn on true
    -- Keeps Postgres from writing outcome and mentions out wherever they are used: each is worked out once.
    offset 0
    /* end */
  ) verdict
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
    (session_id, seq, id, sender_id, kind, content, metadata, size, shard_key, client_id, inserted_at
     /* agents */, hop /* end */)
  select session_id, seq, id, sender_id, kind, content, metadata, size, shard_key, client_id, inserted_at
    /* agents */, hop /* end */
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
/* agents */,
-- A pending turn that somebody claims just now is waited for; it is not pending then, and another is made.
woken as (
  insert into agent_turns
    (id, agent_id, session_id, from_seq, to_seq, hop, next_attempt_at, inserted_at, updated_at)
  select
    make_ulid(statement_timestamp()), agent_id, session_id, from_seq, to_seq, hop,
    statement_timestamp() + (
      select e.debounce_ms from agent_endpoints e where e.agent_id = due.agent_id
    ) * interval '1 millisecond',
    statement_timestamp(), statement_timestamp()
  from (
    select session_id, agent_id, min(seq) as from_seq, max(seq) as to_seq, min(hop) + 1 as hop
    from fresh cross join lateral unnest(wakes) as agent_id
    where wakes is not null and hop < $11::integer
    group by session_id, agent_id
  ) due
  on conflict (session_id, agent_id) where status = 'pending' do update
  set to_seq = excluded.to_seq,
      hop = least(agent_turns.hop, excluded.hop),
      -- A debounce is put off by each message, but no longer than ten times its length.
      next_attempt_at = least(
        excluded.next_attempt_at,
        agent_turns.inserted_at + 10 * (excluded.next_attempt_at - excluded.inserted_at)),
      updated_at = excluded.updated_at
)
/* end */
select ord, 'stored', id, seq, inserted_at, null::bigint
  /* agents */, case when wakes is not null then case when hop < $11 then 'turn' else 'hop_limit' end end /* end */
from fresh
union all
select ord, outcome, found_id, found_seq, found_at, last_seq
  /* agents */, case when wakes is not null then case when hop < $11 then 'turn' else 'hop_limit' end end /* end */
from judged where outcome <> 'stored'
