-- Commits that a turn is to stop: from here on it can end only as stopped. One that nobody works on ends at once.
-- $1 turn id
update agent_turns
set stop_requested_at = coalesce(stop_requested_at, statement_timestamp()),
    status = case when lease_owner is null then 'stopped' else status end,
    updated_at = statement_timestamp()
where id = $1 and status in ('pending', 'running')
returning id
