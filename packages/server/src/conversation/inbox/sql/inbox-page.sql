-- A page of a participant's inbox, the newest activity first.
-- `other` is the member whose cursor is shown beside the participant's own: the other one of two, or a group's initiator.
-- $1 participant, $2 and $3 activity_at and session id of the last entry before, or null, $4 limit
select
  m.participant_id, m.session_id, s.kind, s.status, s.metadata, s.version, s.initiator_id, s.peer_id, s.agent_id,
  s.last_seq, s.last_message_id, s.last_message_at, last.preview,
  m.last_read_seq, m.last_read_message_id, m.last_read_at, m.own_sent, m.own_sent_through_read, m.activity_at,
  other.last_read_seq as other_last_read_seq, other.last_read_message_id as other_last_read_message_id,
  other.last_read_at as other_last_read_at
from (
  select * from session_members
  where participant_id = $1 and listed
    and (activity_at, session_id) < (coalesce($2::timestamptz, 'infinity'), coalesce($3, ''))
  order by activity_at desc, session_id desc
  limit $4
) m
join chat_sessions s on s.id = m.session_id
left join lateral (
  select last_read_seq, last_read_message_id, last_read_at
  from session_members
  where session_id = s.id
    and participant_id = case s.initiator_id when m.participant_id then s.peer_id else s.initiator_id end
  -- Keeps it a subquery, so that the whole key is looked up: of a join Postgres may take the session alone for it.
  offset 0
) other on true
left join lateral (
  select message_preview(l.content) as preview
  from chat_messages l
  where l.session_id = s.id and l.seq = s.last_seq
) last on true
order by m.activity_at desc, m.session_id desc
