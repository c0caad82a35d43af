-- Sessions whose members' activity is behind still: somebody held their rows.
-- $1 session ids, $2 times
select distinct m.session_id
from unnest($1::text[], $2::timestamptz[]) as due (session_id, at)
join session_members m on m.session_id = due.session_id
where m.left_at is null and m.activity_at < due.at
