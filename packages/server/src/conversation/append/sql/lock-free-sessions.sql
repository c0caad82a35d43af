-- Step 1 of an append that waits for nobody: locks the sessions, and the senders' member rows in them, that are
-- free, and names the sessions that are not. A session that does not exist is free: the append says so.
-- $1, $2 session id and sender of each draft
with draft as materialized (
  select distinct session_id, sender_id from unnest($1::text[], $2::text[]) as d (session_id, sender_id)
),
session as materialized (
  select id from chat_sessions
  where id in (select session_id from draft)
  order by id for no key update skip locked
),
member as materialized (
  select m.session_id, m.participant_id
  from session_members m
  where (m.session_id, m.participant_id) in (select session_id, sender_id from draft)
  order by m.session_id, m.participant_id for no key update skip locked
)
select distinct d.session_id
from draft d
where (exists (select from chat_sessions s where s.id = d.session_id)
       and not exists (select from session s where s.id = d.session_id))
   or (exists (select from session_members m where m.session_id = d.session_id and m.participant_id = d.sender_id)
       and not exists (select from member m where m.session_id = d.session_id and m.participant_id = d.sender_id))
