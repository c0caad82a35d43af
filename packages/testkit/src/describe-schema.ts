import type { Client } from 'pg';

/**
 * The tables of a database as SQL, made from its catalog: the same text for the same tables, whatever the
 * version of Postgres and the order in which they came to be.
 */
export async function describeSchema(client: Client): Promise<string> {
  const { rows: tables } = await client.query<{ name: string; options: string[] | null }>(
    `select relname as name, reloptions as options from pg_class
     where relkind = 'r' and relnamespace = 'public'::regnamespace and relname not like 'kysely_%'
     order by relname`,
  );
  const texts: string[] = [];
  for (const table of tables) texts.push(await describeTable(client, table.name, table.options));
  texts.push(...(await describeFunctions(client)));
  return `${header}\n${texts.join('\n')}`;
}

const header = `-- The tables that the migrations make, read from the catalog. Made by \`npm run db:schema\`; a test compares it.
`;

async function describeTable(client: Client, table: string, options: string[] | null): Promise<string> {
  const lines = [...(await describeColumns(client, table)), ...(await describeConstraints(client, table))];
  const storage = options ? ` with (${options.join(', ')})` : '';
  const indexes = await describeIndexes(client, table);
  return [
    `create table ${table} (`,
    lines.map((line) => `  ${line}`).join(',\n'),
    `)${storage};`,
    ...indexes,
    '',
  ].join('\n');
}

async function describeFunctions(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ definition: string }>(
    `select pg_get_functiondef(oid) || ';' as definition
     from pg_proc where pronamespace = 'public'::regnamespace
     order by proname collate "C"`,
  );
  return rows.map((row) => `${row.definition}\n`);
}

async function describeColumns(client: Client, table: string): Promise<string[]> {
  const { rows } = await client.query<{ definition: string }>(
    `select a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
       || case when a.attcollation <> t.typcollation then ' collate "' || c.collname || '"' else '' end
       || case when a.attnotnull then ' not null' else '' end
       || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') as definition
     from pg_attribute a
     join pg_type t on t.oid = a.atttypid
     left join pg_collation c on c.oid = a.attcollation
     left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped
     order by a.attnum`,
    [table],
  );
  return rows.map((row) => row.definition);
}

/** Postgres 18 also lists NOT NULL as a constraint; the columns say it. */
async function describeConstraints(client: Client, table: string): Promise<string[]> {
  const { rows } = await client.query<{ definition: string }>(
    `select 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) as definition
     from pg_constraint where conrelid = $1::regclass and contype <> 'n'
     order by conname collate "C"`,
    [table],
  );
  return rows.map((row) => row.definition);
}

async function describeIndexes(client: Client, table: string): Promise<string[]> {
  const { rows } = await client.query<{ definition: string }>(
    `select pg_get_indexdef(i.indexrelid) || ';' as definition
     from pg_index i join pg_class c on c.oid = i.indexrelid
     where i.indrelid = $1::regclass
       and not exists (select from pg_constraint where conindid = i.indexrelid and contype in ('p', 'u', 'x'))
     order by c.relname collate "C"`,
    [table],
  );
  return rows.map((row) => row.definition);
}
