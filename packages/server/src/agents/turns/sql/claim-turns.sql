-- Claims what is due in some sessions, and tells what is not due yet, and what gives way to a due one.
-- $1 session ids  $2 who claims  $3 the lease, ms
-- $4, $5 agents that have turns here, and how many more each may have  $6 how many any other agent may have
-- $7 turns that run here: with a lease that could not be renewed they are still ours
-- $8 most turns  $9 how many turns each agent of $4 has here
-- A pending turn waits for the running one of its agent and session, and while its agent is disabled. One that runs is
-- claimed anew when its lease has run out, or, without one, when its next attempt is due. A row that is locked is
-- somebody else's claim, or an append's, which tells of it when it has committed.
with wanted as materialized (
  select distinct session_id from unnest($1::text[]) as d (session_id)
),
due as (
  select t.id, t.agent_id, t.next_attempt_at, true as is_call
  from wanted
  join agent_turns t on t.session_id = wanted.session_id and t.status = 'pending'
  join agent_endpoints e on e.agent_id = t.agent_id and e.status = 'enabled'
  join participants p on p.id = t.agent_id and p.status = 'active'
  where t.next_attempt_at <= statement_timestamp()
    and not exists (
      select from agent_turns r
      where r.session_id = t.session_id and r.agent_id = t.agent_id and r.status = 'running')
  union all
  select t.id, t.agent_id, t.next_attempt_at, t.stream_id is null and t.stop_requested_at is null
  from wanted
  join agent_turns t on t.session_id = wanted.session_id and t.status = 'running'
  left join agent_endpoints e on e.agent_id = t.agent_id
  left join participants p on p.id = t.agent_id
  where (t.lease_until < statement_timestamp() or t.lease_owner is null and t.next_attempt_at <= statement_timestamp())
    and t.id <> all ($7::text[])
    -- Whoever has shown something, or is to stop, is ended, not called; without an endpoint it fails.
    and (t.stream_id is not null or t.stop_requested_at is not null or e.agent_id is null
      or e.status = 'enabled' and p.status = 'active')
),
-- As many calls of each agent as it may have more; what is only to be ended is nobody's burden. Of too many the agents
-- that have the fewest turns come first, so that a busy one keeps no other waiting.
allowed as (
  select placed.id
  from (
    select due.*, row_number() over (partition by agent_id, is_call order by next_attempt_at) as place from due
  ) placed
  left join unnest($4::text[], $5::integer[], $9::integer[]) as slot (agent_id, free, taken)
    on slot.agent_id = placed.agent_id
  where not is_call or place <= coalesce(slot.free, $6::integer)
  order by is_call, place + coalesce(slot.taken, 0), next_attempt_at
  limit $8
),
locked as (
  select t.id
  from agent_turns t
  where t.id in (select id from allowed)
    -- Asked again of a row that has changed since: somebody else may have it now.
    and (t.status = 'pending'
      or t.status = 'running' and (t.lease_until < statement_timestamp() or t.lease_owner is null))
  for no key update skip locked
),
claimed as (
  update agent_turns t
  set status = 'running',
      attempt = t.attempt + case when t.stream_id is null then 1 else 0 end,
      epoch = t.epoch + 1,
      lease_owner = $2,
      lease_until = statement_timestamp() + make_interval(secs => $3::float8 / 1000),
      updated_at = statement_timestamp()
  from locked
  where t.id = locked.id
  returning t.id, t.session_id, t as turn
),
found as (
  select 'claimed' as found, id, session_id, null::float8 as due_in_ms, turn from claimed
  union all
  select 'waiting', t.id, t.session_id,
    (extract(epoch from t.next_attempt_at - statement_timestamp()) * 1000)::float8, null
  from wanted
  join agent_turns t on t.session_id = wanted.session_id and t.status = 'pending'
  where t.next_attempt_at > statement_timestamp()
  union all
  -- The running turn that a pending one does not wait for.
  select 'gives_way', r.id, r.session_id, null, null
  from wanted
  join agent_turns t on t.session_id = wanted.session_id and t.status = 'pending'
  join agent_endpoints e on e.agent_id = t.agent_id and e.status = 'enabled' and e.when_busy = 'interrupt'
  join agent_turns r on r.session_id = t.session_id and r.agent_id = t.agent_id and r.status = 'running'
  where t.next_attempt_at <= statement_timestamp() and r.stop_requested_at is null
)
-- Of what is not claimed nothing more is told.
select found, id, session_id, due_in_ms, (turn).agent_id, (turn).from_seq, (turn).to_seq, (turn).attempt, (turn).epoch,
  (turn).hop, (turn).stream_id, (turn).message_id, (turn).stop_requested_at is not null as stop_requested, (turn).is_written,
  (extract(epoch from statement_timestamp() - (turn).inserted_at) * 1000)::float8 as age_ms
from found
