-- Names an agent in sessions that it is a member of, where it is not named yet, in id order.
-- $1 agent, $2 sessions after this id, $3 at most so many
with unnamed as (
  select s.id
  from session_members m join chat_sessions s on s.id = m.session_id
  where m.participant_id = $1 and m.left_at is null and m.session_id > $2
    and not coalesce($1 = any (s.agent_ids), false)
  order by m.session_id
  limit $3
  for no key update of s
)
update chat_sessions s
set agent_ids = array_append(s.agent_ids, $1)
from unnamed
where s.id = unnamed.id
returning s.id
