import { readFileSync } from 'node:fs';
import { type TestDatabase, testDatabase } from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writerSettings } from '../../src/conversation/append/writer-settings.ts';

/** A plan's nodes, as EXPLAIN (FORMAT JSON) names them. */
interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly PlanNode[];
}

const sqlOf = (name: string) =>
  readFileSync(new URL(`../../src/conversation/append/sql/${name}.sql`, import.meta.url), 'utf8');
/** Enough that Postgres would rather read the tables whole. */
const grownRows = 50_000;
/** Few, not analysed, and the plan made now is kept while they grow. */
const newRows = 300;

describe.each([
  ['grown', grownRows],
  ['new', newRows],
])('the plan on %s tables', (_, rows) => {
  let database: TestDatabase;
  let client: Client;

  beforeAll(async () => {
    database = await testDatabase();
    client = new Client(database.target);
    await client.connect();
    await fill(client, rows);
    if (rows === grownRows) await client.query('analyze');
    await client.query(
      writerSettings({ statementTimeoutMs: 5_000, lockTimeoutMs: 500, isAsyncCommitAccepted: false }),
    );
  });

  afterAll(async () => {
    await client.end();
    await database[Symbol.asyncDispose]();
  });

  test.each([
    ['lock-sessions', ['text[]'], [['s1', 's2']]],
    ['lock-free-sessions', ['text[]', 'text[]'], [['s1'], ['user:a']]],
    [
      'append-messages',
      [
        'text[]',
        'text[]',
        'text[]',
        'text[]',
        'text[]',
        'text[]',
        'text[]',
        'smallint[]',
        'boolean[]',
        'boolean',
      ],
      [['x1'], ['s1'], ['user:a'], ['text'], ['{}'], ['{}'], ['k'], [0], [false], false],
    ],
  ])('%s looks everything up by key, also as a generic plan', async (name, types, values) => {
    await client.query(`prepare statement (${types.join(', ')}) as ${sqlOf(name)}`);
    const literals = values.map((value, index) => toLiteral(value, types[index]!));
    const { rows: plans } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
      `explain (format json) execute statement(${literals.join(', ')})`,
    );
    await client.query('deallocate statement');
    const nodes = flatten(plans[0]!['QUERY PLAN'][0].Plan);
    const wholeReads = nodes.filter((node) =>
      /Seq Scan|Hash Join|Merge Join|Materialize/.test(node['Node Type']),
    );
    expect(wholeReads.map((node) => `${node['Node Type']} ${node['Relation Name'] ?? ''}`)).toEqual([]);
    expect(nodes.some((node) => node['Node Type'].includes('Index'))).toBe(true);
  });
});

async function fill(client: Client, rows: number): Promise<void> {
  await client.query(`
    insert into participants (id, kind) values ('user:a', 'user');
    insert into chat_sessions (id, kind, initiator_id) select 's' || i, 'group', 'user:a' from generate_series(1, ${rows}) i;
    insert into session_members (session_id, participant_id, role)
      select 's' || i, 'user:a', 'initiator' from generate_series(1, ${rows}) i;
    insert into chat_messages (session_id, seq, id, sender_id, kind, content, metadata, size, shard_key, client_id, inserted_at)
      select 's' || i, 1, 'm' || i, 'user:a', 'text', '{}', '{}', 4, 0, 'k' || i, now() from generate_series(1, ${rows}) i;
  `);
}

function flatten(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)];
}

function toLiteral(value: unknown, type: string): string {
  if (!Array.isArray(value)) return String(value);
  return `array[${value.map((item) => (typeof item === 'string' ? `'${item}'` : item)).join(', ')}]::${type}`;
}
