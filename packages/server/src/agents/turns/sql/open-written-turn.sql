-- Opens the running turn of a stream that an agent writes by itself; nothing when the agent has a running one in the
-- session. Its hop is that of what the agent writes by itself.
-- $1 session id  $2 agent id  $3 who holds it  $4 the lease, ms  $5 turn id  $6 stream id  $7 message id
insert into agent_turns
  (id, agent_id, session_id, from_seq, to_seq, status, attempt, epoch, hop, lease_owner, lease_until, stream_id, message_id,
   is_written)
select $5, $2, s.id, s.last_seq, s.last_seq, 'running', 1, 1, coalesce(newest.hop, 0), $3,
  statement_timestamp() + make_interval(secs => $4::float8 / 1000), $6, $7, true
from chat_sessions s
left join lateral (
  select t.hop from agent_turns t
  where t.session_id = s.id and t.agent_id = $2
  order by t.id desc
  limit 1
) newest on true
where s.id = $1
on conflict (session_id, agent_id) where status = 'running' do nothing
returning id, from_seq, hop
