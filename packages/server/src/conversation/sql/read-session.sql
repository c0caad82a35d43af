-- A session as the wire shows it, and whether the viewer is a member now.
-- $1 session id, $2 viewer's participant id or null
select
  s.id, s.kind, s.status, s.initiator_id, s.peer_id, s.agent_id, s.metadata, s.version, s.last_seq,
  s.last_message_id, s.last_message_at,
  initiator.last_read_message_id as initiator_last_read_id, initiator.last_read_at as initiator_last_read_at,
  peer.last_read_message_id as peer_last_read_id, peer.last_read_at as peer_last_read_at,
  s.inserted_at, s.updated_at,
  viewer.participant_id is not null as viewer_is_member
from chat_sessions s
left join session_members initiator on initiator.session_id = s.id and initiator.participant_id = s.initiator_id
left join session_members peer on peer.session_id = s.id and peer.participant_id = s.peer_id
left join session_members viewer
  on viewer.session_id = s.id and viewer.participant_id = $2 and viewer.left_at is null
where s.id = $1
