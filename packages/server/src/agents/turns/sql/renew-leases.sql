-- Renews the leases of the turns that run here, and says which are still ours and which of them are to stop. A row
-- that is locked is being ended or stopped: it is asked again before its lease runs out.
-- $1 turn ids  $2 who holds them  $3 the lease, ms
with held as (
  select t.id, t.stop_requested_at is not null as stop_requested
  from agent_turns t
  where t.id = any ($1::text[]) and t.status = 'running' and t.lease_owner = $2
),
renewed as (
  update agent_turns t
  set lease_until = statement_timestamp() + make_interval(secs => $3::float8 / 1000)
  from (
    select id from agent_turns where id in (select id from held) for no key update skip locked
  ) free
  where t.id = free.id and t.status = 'running' and t.lease_owner = $2
)
select id, stop_requested from held
