-- Ends a turn without a message: whose message is stored ends with it. Locks the turn only.
-- $1 turn id  $2 epoch  $3 status  $4 error or null
with ended as (
  update agent_turns
  set status = $3, error = $4, lease_owner = null, lease_until = null, updated_at = statement_timestamp()
  where id = $1 and epoch = $2 and status = 'running' and (stop_requested_at is null or $3 = 'stopped')
  returning id, stream_id
),
cleared as (
  delete from agent_stream_segments s using ended where s.stream_id = ended.stream_id
)
select id from ended
