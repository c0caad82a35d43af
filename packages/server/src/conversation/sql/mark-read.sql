-- Step 2 of marking read, on a snapshot taken after the lock. The cursor never goes back and never passes the end.
-- $1 session id, $2 participant id, $3 the seq that was read, or null for all
with target as (
  select
    m.last_read_seq as old_seq,
    greatest(m.last_read_seq, least(coalesce($3::bigint, s.last_seq), s.last_seq)) as new_seq,
    s.last_seq
  from session_members m
  join chat_sessions s on s.id = m.session_id
  where m.session_id = $1 and m.participant_id = $2
)
update session_members m
set last_read_seq = target.new_seq,
    last_read_message_id = coalesce(reached.id, m.last_read_message_id),
    last_read_at = coalesce(reached.inserted_at, m.last_read_at),
    own_sent_through_read = case
      when target.new_seq = target.last_seq then m.own_sent
      else m.own_sent_through_read + (
        select count(*) from chat_messages own
        where own.session_id = $1 and own.seq > target.old_seq and own.seq <= target.new_seq and own.sender_id = $2
      )
    end
from target
left join chat_messages reached
  on reached.session_id = $1 and reached.seq = target.new_seq and target.new_seq > target.old_seq
where m.session_id = $1 and m.participant_id = $2
returning
  target.new_seq > target.old_seq as has_moved,
  m.last_read_seq,
  m.last_read_message_id,
  m.last_read_at,
  m.own_sent_through_read,
  (target.last_seq - m.last_read_seq) - (m.own_sent - m.own_sent_through_read) as unread_count
