-- Those of some participants that are disabled.
-- $1 their ids
select id
from participants
where id = any($1::text[]) and status = 'disabled'
