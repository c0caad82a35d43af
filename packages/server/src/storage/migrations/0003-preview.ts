import { type Kysely, sql } from 'kysely';

/**
 * `message_preview` says what it said, without a subquery of its own: now Postgres puts its body into the query that
 * calls it. As a call it was a third of what a page of an inbox costs. Only texts in parts are still a call.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
create function text_of_parts(parts json) returns text
language sql immutable parallel safe as $$
  select string_agg(part ->> 'text', '' order by position)
  from json_array_elements(parts) with ordinality as p (part, position)
  where part ->> 'type' = 'text' and json_typeof(part -> 'text') = 'string'
$$;

create or replace function message_preview(content json) returns text
language sql immutable parallel safe as $$
  select left(
    case
      when json_typeof(content -> 'text') = 'string' then content ->> 'text'
      when json_typeof(content -> 'parts') = 'array' then text_of_parts(content -> 'parts')
    end,
    140)
$$;
`)
    .execute(db);
}
