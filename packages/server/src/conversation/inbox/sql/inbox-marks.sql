-- The first page of an inbox as far as it tells whether a kept view is still right: no metadata, no messages.
-- $1 participant, $2 limit
select
  m.session_id, s.version, s.last_seq, m.last_read_seq, m.own_sent,
  coalesce(initiator.last_read_seq, 0) as initiator_last_read_seq,
  coalesce(peer.last_read_seq, 0) as peer_last_read_seq
from (
  select * from session_members
  where participant_id = $1 and listed
  order by activity_at desc, session_id desc
  limit $2
) m
join chat_sessions s on s.id = m.session_id
left join session_members initiator on initiator.session_id = s.id and initiator.participant_id = s.initiator_id
left join session_members peer on peer.session_id = s.id and peer.participant_id = s.peer_id
