-- Entries of some participants' inboxes, those that are there.
-- $1, $2 participant and session of each
select
  m.participant_id, m.session_id, s.kind, s.status, s.metadata, s.version, s.initiator_id, s.peer_id, s.agent_id,
  s.last_seq, s.last_message_id, s.last_message_at, last.preview,
  initiator.last_read_seq as initiator_last_read_seq, initiator.last_read_message_id as initiator_last_read_id,
  initiator.last_read_at as initiator_last_read_at,
  peer.last_read_seq as peer_last_read_seq, peer.last_read_message_id as peer_last_read_id,
  peer.last_read_at as peer_last_read_at,
  m.last_read_seq, m.own_sent, m.own_sent_through_read, m.activity_at
from unnest($1::text[], $2::text[]) as wanted (participant_id, session_id)
join session_members m on m.participant_id = wanted.participant_id and m.session_id = wanted.session_id and m.listed
join chat_sessions s on s.id = m.session_id
left join session_members initiator on initiator.session_id = s.id and initiator.participant_id = s.initiator_id
left join session_members peer on peer.session_id = s.id and peer.participant_id = s.peer_id
left join lateral (
  select message_preview(l.content) as preview
  from chat_messages l
  where l.session_id = s.id and l.seq = s.last_seq
) last on true
