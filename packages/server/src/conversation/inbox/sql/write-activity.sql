-- Moves the members' activity to the newest message of their session, without waiting for anybody.
-- $1 session ids, $2 times
with due as (
  select * from unnest($1::text[], $2::timestamptz[]) as d (session_id, at)
),
stale as (
  select m.session_id, m.participant_id, due.at
  from due
  join session_members m on m.session_id = due.session_id
  where m.left_at is null and m.activity_at < due.at
  for no key update of m skip locked
)
update session_members m
set activity_at = stale.at
from stale
where m.session_id = stale.session_id and m.participant_id = stale.participant_id
