-- Which of some participants are members of which of some sessions.
-- $1 session ids, $2 participant ids
select session_id, participant_id
from session_members
where session_id = any($1::text[]) and participant_id = any($2::text[]) and left_at is null
