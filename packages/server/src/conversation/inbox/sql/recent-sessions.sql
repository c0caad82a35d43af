-- Sessions with messages since a moment, and the newest message of each. Message ids begin with their time.
-- $1 the smallest message id of that moment
select session_id, max(inserted_at) as at
from chat_messages
where id >= $1
group by session_id
