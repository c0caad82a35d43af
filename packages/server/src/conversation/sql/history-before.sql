-- The last messages before a cursor, exclusive, ascending.
-- $1 session id, $2 before seq, $3 limit, $4 most bytes after the first row
select id, seq, sender_id, kind, content, metadata, client_id, inserted_at
from (
  select page.*, sum(size) over (order by seq desc) - size as size_after
  from (
    select *
    from chat_messages
    where session_id = $1 and seq < $2
    order by seq desc
    limit $3
  ) page
) sized
where size_after < $4
order by seq
