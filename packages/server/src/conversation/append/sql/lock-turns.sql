-- Between locking the sessions and appending, where drafts answer turns: the turns' locks, in id order. Others
-- hold a turn only as long as one statement of theirs runs, so that this waits for moments.
-- $1 turn ids
select count(*)
from (
  select id from agent_turns where id = any ($1::text[]) order by id for no key update
) locked
