-- The first messages between two cursors, both exclusive, ascending.
-- $1 session id, $2 after seq, $3 before seq, $4 limit, $5 most bytes before the last row
select id, seq, sender_id, kind, content, metadata, client_id, inserted_at
from (
  select page.*, sum(size) over (order by seq) - size as size_before
  from (
    select *
    from chat_messages
    where session_id = $1 and seq > $2 and seq < $3
    order by seq
    limit $4
  ) page
) sized
where size_before < $5
order by seq
