-- Stops a running turn for the pending one behind it, which then covers both ranges; what an agent writes by itself
-- answers nobody, and is only stopped. Whoever has the running one locked is about to end it: then nothing has to
-- give way.
-- $1 the running turn
with running as (
  select id, session_id, agent_id, from_seq, hop, is_written
  from agent_turns
  where id = $1 and status = 'running' and stop_requested_at is null
  for no key update skip locked
),
widened as (
  update agent_turns p
  set from_seq = case when running.is_written then p.from_seq else least(p.from_seq, running.from_seq) end,
      hop = case when running.is_written then p.hop else least(p.hop, running.hop) end
  from running
  where p.session_id = running.session_id and p.agent_id = running.agent_id and p.status = 'pending'
  returning p.id
)
update agent_turns t
set stop_requested_at = statement_timestamp(),
    status = case when t.lease_owner is null then 'stopped' else t.status end,
    updated_at = statement_timestamp()
from running
where t.id = running.id and exists (select from widened)
returning t.id
