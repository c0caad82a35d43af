-- Step 1 of an append: the sessions' locks, in id order, so that two batches never wait for each other.
-- $1 session ids
select count(*)
from (
  select id from chat_sessions where id = any ($1::text[]) order by id for no key update
) locked
