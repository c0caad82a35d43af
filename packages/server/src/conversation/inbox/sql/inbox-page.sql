-- A page of a participant's inbox, the newest activity first.
-- $1 participant, $2 and $3 activity_at and session id of the last entry before, or null, $4 limit
select
  m.participant_id, m.session_id, s.kind, s.status, s.metadata, s.version, s.initiator_id, s.peer_id, s.agent_id,
  s.last_seq, s.last_message_id, s.last_message_at, last.preview,
  initiator.last_read_seq as initiator_last_read_seq, initiator.last_read_message_id as initiator_last_read_id,
  initiator.last_read_at as initiator_last_read_at,
  peer.last_read_seq as peer_last_read_seq, peer.last_read_message_id as peer_last_read_id,
  peer.last_read_at as peer_last_read_at,
  m.last_read_seq, m.own_sent, m.own_sent_through_read, m.activity_at
from (
  select * from session_members
  where participant_id = $1 and listed
    and ($2::timestamptz is null or (activity_at, session_id) < ($2::timestamptz, $3))
  order by activity_at desc, session_id desc
  limit $4
) m
join chat_sessions s on s.id = m.session_id
left join session_members initiator on initiator.session_id = s.id and initiator.participant_id = s.initiator_id
left join session_members peer on peer.session_id = s.id and peer.participant_id = s.peer_id
left join lateral (
  select message_preview(l.content) as preview
  from chat_messages l
  where l.session_id = s.id and l.seq = s.last_seq
) last on true
order by m.activity_at desc, m.session_id desc
