-- Those of some pairs of session and participant that are no membership now.
-- $1, $2 session and participant of each
select followed.session_id, followed.participant_id
from unnest($1::text[], $2::text[]) as followed (session_id, participant_id)
where not exists (
  select from session_members m
  where m.session_id = followed.session_id and m.participant_id = followed.participant_id and m.left_at is null
)
