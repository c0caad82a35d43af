-- What every call needs to know of a participant.
-- $1 participant id
select kind, status
from participants
where id = $1
