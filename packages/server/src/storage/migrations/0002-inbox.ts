import { type Kysely, sql } from 'kysely';

/**
 * What an inbox shows of a message: the first 140 characters of its text, or of its text parts. In the database,
 * so that an inbox page carries previews and not whole messages. `messagePreview` in the code says the same.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
create function message_preview(content json) returns text
language sql immutable parallel safe as $$
  select left(
    case
      when json_typeof(content -> 'text') = 'string' then content ->> 'text'
      when json_typeof(content -> 'parts') = 'array' then (
        select string_agg(part ->> 'text', '' order by position)
        from json_array_elements(content -> 'parts') with ordinality as p (part, position)
        where part ->> 'type' = 'text' and json_typeof(part -> 'text') = 'string'
      )
    end,
    140)
$$;
`)
    .execute(db);
}
