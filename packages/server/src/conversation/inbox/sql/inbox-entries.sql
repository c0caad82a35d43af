-- Entries of some participants' inboxes, those that are there.
-- `other` is as in inbox-page.sql.
-- $1, $2 participant and session of each
select
  m.participant_id, m.session_id, s.kind, s.status, s.metadata, s.version, s.initiator_id, s.peer_id, s.agent_id,
  s.last_seq, s.last_message_id, s.last_message_at, last.preview,
  m.last_read_seq, m.last_read_message_id, m.last_read_at, m.own_sent, m.own_sent_through_read, m.activity_at,
  other.last_read_seq as other_last_read_seq, other.last_read_message_id as other_last_read_message_id,
  other.last_read_at as other_last_read_at
from unnest($1::text[], $2::text[]) as wanted (participant_id, session_id)
join session_members m on m.participant_id = wanted.participant_id and m.session_id = wanted.session_id and m.listed
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
