-- Claims what is due in some sessions, and tells what is not due yet.
-- $1 session ids  $2 who claims  $3 the lease, ms  $4 agents with as many turns as they may have
-- $5 turns that run here: with a lease that could not be renewed they are still ours
-- $6 most turns
-- A pending turn waits for the running one of its agent and session, and while its agent is disabled. One that runs is
-- claimed anew when its lease has run out, or, without one, when its next attempt is due. A row that is locked is
-- somebody else's claim, or an append's, which tells of it when it has committed.
with pending as (
  select t.id
  from unnest($1::text[]) as wanted (session_id)
  join agent_turns t on t.session_id = wanted.session_id and t.status = 'pending'
  join agent_endpoints e on e.agent_id = t.agent_id and e.status = 'enabled'
  join participants p on p.id = t.agent_id and p.status = 'active'
  where t.next_attempt_at <= statement_timestamp()
    and t.agent_id <> all ($4::text[])
    and not exists (
      select from agent_turns r
      where r.session_id = t.session_id and r.agent_id = t.agent_id and r.status = 'running')
  limit $6
  for no key update of t skip locked
),
resumed as (
  select t.id
  from unnest($1::text[]) as wanted (session_id)
  join agent_turns t on t.session_id = wanted.session_id and t.status = 'running'
  left join agent_endpoints e on e.agent_id = t.agent_id
  left join participants p on p.id = t.agent_id
  where (t.lease_until < statement_timestamp() or t.lease_owner is null and t.next_attempt_at <= statement_timestamp())
    and t.id <> all ($5::text[])
    -- Whoever has shown something, or is to stop, is ended, not called; without an endpoint it fails.
    and (t.stream_id is not null or t.stop_requested_at is not null or e.agent_id is null or e.status = 'enabled' and p.status = 'active')
  limit $6
  for no key update of t skip locked
),
claimed as (
  update agent_turns t
  set status = 'running',
      attempt = t.attempt + case when t.stream_id is null then 1 else 0 end,
      epoch = t.epoch + 1,
      lease_owner = $2,
      lease_until = statement_timestamp() + make_interval(secs => $3::float8 / 1000),
      updated_at = statement_timestamp()
  from (select id from pending union all select id from resumed) due
  where t.id = due.id
  returning t.*
)
select 'claimed' as found, id, agent_id, session_id, from_seq, to_seq, attempt, epoch, hop, stream_id, message_id,
  stop_requested_at is not null as stop_requested,
  (extract(epoch from statement_timestamp() - inserted_at) * 1000)::float8 as age_ms, null::float8 as due_in_ms
from claimed
union all
select 'waiting', t.id, t.agent_id, t.session_id, t.from_seq, t.to_seq, t.attempt, t.epoch, t.hop, null, null, false,
  0, (extract(epoch from t.next_attempt_at - statement_timestamp()) * 1000)::float8
from unnest($1::text[]) as wanted (session_id)
join agent_turns t on t.session_id = wanted.session_id and t.status = 'pending'
where t.next_attempt_at > statement_timestamp()
union all
-- The running turn that a pending one may interrupt.
select 'interrupted', r.id, r.agent_id, r.session_id, r.from_seq, r.to_seq, r.attempt, r.epoch, r.hop, null, null, false,
  0, null
from unnest($1::text[]) as wanted (session_id)
join agent_turns t on t.session_id = wanted.session_id and t.status = 'pending'
join agent_endpoints e on e.agent_id = t.agent_id and e.status = 'enabled' and e.when_busy = 'interrupt'
join agent_turns r on r.session_id = t.session_id and r.agent_id = t.agent_id and r.status = 'running'
where t.next_attempt_at <= statement_timestamp() and r.stop_requested_at is null
