-- Commits the ids of a stream before anybody sees it: from here on its turn is not called again by itself.
-- $1 turn id  $2 epoch  $3 stream id  $4 message id
update agent_turns
set stream_id = $3, message_id = $4, updated_at = statement_timestamp()
where id = $1 and epoch = $2 and status = 'running' and stop_requested_at is null
returning id
