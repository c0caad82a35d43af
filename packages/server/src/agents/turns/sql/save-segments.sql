-- Saves what streams have shown since the last time. One that was saved already stays as it is.
-- $1…$4 one element per segment: stream id, first index, next index, chunks
insert into agent_stream_segments (stream_id, first_index, next_index, chunks)
select * from unnest($1::text[], $2::integer[], $3::integer[], $4::text[])
on conflict (stream_id, first_index) do nothing
