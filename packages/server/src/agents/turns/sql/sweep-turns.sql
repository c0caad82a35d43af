-- Sessions with something to claim that nobody told of: what was due before a start, a lease that ran out, an agent
-- that was enabled. What is to be ended first, then the oldest of each agent, then the second of each: whoever takes
-- only the first of them keeps no agent waiting.
-- $1 most pending turns of one agent: as many as it may have  $2 turns that run here
-- One agent after the other: what waits for a disabled agent, or for a running turn, costs the others nothing.
select session_id
from (
  select due.session_id, due.place, due.next_attempt_at
  from agent_endpoints e
  join participants p on p.id = e.agent_id and p.status = 'active'
  cross join lateral (
    select t.session_id, t.next_attempt_at, row_number() over (order by t.next_attempt_at) as place
    from agent_turns t
    where t.agent_id = e.agent_id and t.status = 'pending' and t.next_attempt_at <= statement_timestamp()
      and not exists (
        select from agent_turns r
        where r.session_id = t.session_id and r.agent_id = t.agent_id and r.status = 'running'
          and (e.when_busy = 'queue' or r.stop_requested_at is not null))
    order by t.next_attempt_at
    limit $1
  ) due
  where e.status = 'enabled'
  union all
  select t.session_id, 0, t.next_attempt_at
  from agent_turns t
  left join agent_endpoints e on e.agent_id = t.agent_id
  left join participants p on p.id = t.agent_id
  where t.status = 'running' and t.id <> all ($2::text[])
    and (t.lease_until < statement_timestamp() or t.lease_owner is null and t.next_attempt_at <= statement_timestamp())
    -- As the claim asks: what waits for a disabled agent is not to be found again and again.
    and (t.stream_id is not null or t.stop_requested_at is not null or e.agent_id is null
      or e.status = 'enabled' and p.status = 'active')
) found
group by session_id
order by min(place), min(next_attempt_at)
