-- Step 3 of an append, where drafts end turns: a turn ends if its reply is in the log now, be it by this append or
-- by an earlier one, and if it still runs in the reply's epoch. What was saved of its stream has served its purpose.
-- $1…$8 one element per draft that ends a turn: id, session, sender, client_id, turn, epoch, status, error
with reply as materialized (
  select d.turn_id, d.session_id, d.epoch, d.status, d.error,
    coalesce(
      (select m.seq from chat_messages m where m.id = d.id),
      (
        select m.seq from chat_messages m
        where m.session_id = d.session_id and m.sender_id = d.sender_id and m.client_id = d.client_id
      )
    ) as seq
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::text[], $8::text[])
    as d (id, session_id, sender_id, client_id, turn_id, epoch, status, error)
),
ended as (
  update agent_turns t
  set -- One that is to stop ends in no other way, even if its reply was there before.
      status = case when t.stop_requested_at is null then reply.status else 'stopped' end,
      error = reply.error,
      reply_seq = reply.seq,
      lease_owner = null,
      lease_until = null,
      updated_at = statement_timestamp()
  from reply
  where t.id = reply.turn_id and t.session_id = reply.session_id and t.epoch = reply.epoch and t.status = 'running'
    and reply.seq is not null
  returning t.stream_id
)
delete from agent_stream_segments s using ended where s.stream_id = ended.stream_id
