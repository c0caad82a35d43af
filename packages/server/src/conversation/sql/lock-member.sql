-- Step 1 of marking read: the reader's member row, and nothing else. While it is held the reader's own messages
-- cannot be counted, so the second step sees a count that fits its log.
-- $1 session id, $2 participant id
select 1 from session_members
where session_id = $1 and participant_id = $2 and left_at is null
for no key update
