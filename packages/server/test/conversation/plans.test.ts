import { readdirSync, readFileSync } from 'node:fs';
import { quietLog, type TestDatabase, testDatabase } from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { appendStatements } from '../../src/conversation/append/append-statements.ts';
import { writerSettings } from '../../src/conversation/append/writer-settings.ts';
import { type Db, openDatabase } from '../../src/storage/database.ts';

/** A plan's nodes, as EXPLAIN (FORMAT JSON) names them. */
interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly PlanNode[];
}

type Case = [name: string, types: readonly string[], values: readonly unknown[]];

/** Enough that Postgres would rather read the tables whole. */
const grownRows = 50_000;
/** Few, not analysed, and the plan made now is kept while they grow. */
const newRows = 300;

const appends: Case[] = [
  ['append/sql/lock-sessions', ['text[]'], [['s1', 's2']]],
  ['append/sql/lock-free-sessions', ['text[]', 'text[]'], [['s1'], ['user:a']]],
  [
    'append/sql/append-messages',
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
      'integer',
      'text[]',
      'integer[]',
      'text[]',
    ],
    [
      ['x1'],
      ['s1'],
      ['user:a'],
      ['text'],
      ['{}'],
      ['{}'],
      ['k'],
      [0],
      [false],
      false,
      20,
      ['t1'],
      [1],
      ['completed'],
    ],
  ],
  ['append/sql/lock-turns', ['text[]'], [['t1', 't2']]],
  [
    'append/sql/end-turns',
    ['text[]', 'text[]', 'text[]', 'text[]', 'text[]', 'integer[]', 'text[]', 'text[]'],
    [['x1'], ['s1'], ['agent:a'], ['k'], ['t1'], [1], ['failed'], ['why']],
  ],
];
const ordered: Case[] = [
  ['inbox/sql/inbox-page', ['text', 'timestamptz', 'text', 'bigint'], ['user:a', null, null, 51]],
  ['inbox/sql/inbox-marks', ['text', 'bigint'], ['user:a', 201]],
  ['sql/history-after', ['text', 'bigint', 'bigint', 'bigint', 'bigint'], ['s1', 1, 9, 50, 9_999]],
];
const lookups: Case[] = [
  ['sql/history-before', ['text', 'bigint', 'bigint', 'bigint'], ['s1', 9, 50, 9_999]],
  ['sql/read-session', ['text', 'text'], ['s1', 'user:a']],
  ['sql/identity', ['text'], ['user:a']],
  ['sql/disabled-participants', ['text[]'], [['user:a']]],
  ['sql/former-members', ['text[]', 'text[]'], [['s1'], ['user:a']]],
  ['sql/add-agent-to-sessions', ['text', 'text', 'bigint'], ['user:a', '', 200]],
  ['sql/lock-member', ['text', 'text'], ['s1', 'user:a']],
  ['sql/mark-read', ['text', 'text', 'bigint'], ['s1', 'user:a', 1]],
  ['inbox/sql/inbox-entries', ['text[]', 'text[]'], [['user:a'], ['s1']]],
  ['inbox/sql/inbox-memberships', ['text[]', 'text[]'], [['s1'], ['user:a']]],
  ['inbox/sql/write-activity', ['text[]', 'timestamptz[]'], [['s1'], ['2026-01-01']]],
  ['inbox/sql/stale-activity', ['text[]', 'timestamptz[]'], [['s1'], ['2026-01-01']]],
  ['inbox/sql/recent-sessions', ['text'], ['m1']],
];

test('no statement is left out', () => {
  const directory = new URL('../../src/conversation/', import.meta.url);
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const names = files.filter((file) => file.endsWith('.sql')).map((file) => file.slice(0, -'.sql'.length));
  expect([...appends, ...ordered, ...lookups].map(([name]) => name).sort()).toEqual(names.sort());
});

describe.each([
  ['grown', grownRows],
  ['new', newRows],
])('the plan on %s tables', (_, rows) => {
  let database: TestDatabase;
  let writer: Client;
  let pool: Db;

  beforeAll(async () => {
    database = await testDatabase();
    writer = new Client(database.target);
    await writer.connect();
    await fill(writer, rows);
    if (rows === grownRows) await writer.query('analyze');
    await writer.query(
      writerSettings({ statementTimeoutMs: 5_000, lockTimeoutMs: 500, isAsyncCommitAccepted: false }),
    );
    // One connection: what is prepared is there for the query after.
    pool = openDatabase(database.target, 1, quietLog);
  });

  afterAll(async () => {
    await pool.close();
    await writer.end();
    await database[Symbol.asyncDispose]();
  });

  const onWriter = async (text: string) => (await writer.query<object>(text)).rows;
  const onPool = (text: string) => pool.query<object>({ name: '', text }, []);

  test.each(appends)('%s looks everything up by key, also as a generic plan', async (...statement) => {
    expectLookups(await explain(onWriter, statement));
  });

  test('append-messages does so, and knows nothing of turns, for sessions without agents', async () => {
    const [, types, values] = appends.find(([name]) => name === 'append/sql/append-messages')!;
    const shared: Case = ['append-messages', types.slice(0, 11), values.slice(0, 11)];
    const nodes = await explain(onWriter, shared, appendStatements['append-messages']);
    expectLookups(nodes);
    expect(nodes.filter((node) => node['Relation Name']?.startsWith('agent_'))).toEqual([]);
  });

  test.each([...ordered, ...lookups])(
    '%s looks everything up by key, whatever it asks',
    async (...statement) => {
      const nodes = await explain(onPool, statement);
      expectLookups(nodes);
      expect(nodes.filter((node) => node['Node Type'].startsWith('Bitmap'))).toEqual([]);
    },
  );

  test.each(ordered)('%s reads in the order of an index: nothing is sorted', async (...statement) => {
    const nodes = await explain(onPool, statement);
    expect(nodes.filter((node) => node['Node Type'].includes('Sort'))).toEqual([]);
  });
});

async function fill(client: Client, rows: number): Promise<void> {
  await client.query(`
    insert into participants (id, kind) values ('user:a', 'user');
    insert into chat_sessions (id, kind, initiator_id) select 's' || i, 'group', 'user:a' from generate_series(1, ${rows}) i;
    insert into session_members (session_id, participant_id, role)
      select 's' || i, 'user:a', 'initiator' from generate_series(1, ${rows}) i;
    insert into participants (id, kind) select 'agent:' || i, 'agent' from generate_series(1, ${rows}) i;
    insert into agent_endpoints (agent_id, origin_url, timeout_ms, idle_timeout_ms, max_duration_ms, max_attempts, backoff_ms,
        history_mode, history_limit, signing_secret)
      select 'agent:' || i, 'http://x', 1, 1, 1, 1, '{}', 'tail', 1, '' from generate_series(1, ${rows}) i;
    insert into agent_turns (id, agent_id, session_id, from_seq, to_seq, hop)
      select 't' || i, 'agent:' || i, 's' || i, 1, 1, 1 from generate_series(1, ${rows}) i;
    insert into agent_stream_segments (stream_id, first_index, next_index, chunks)
      select 'stream' || i, 0, 1, '[]' from generate_series(1, ${rows}) i;
    insert into chat_messages (session_id, seq, id, sender_id, kind, content, metadata, size, shard_key, client_id, inserted_at)
      select 's' || i, 1, 'm' || i, 'user:a', 'text', '{}', '{}', 4, 0, 'k' || i, now() from generate_series(1, ${rows}) i;
  `);
}

/** The nodes of the plan with which the statement would be run. */
async function explain(
  run: (text: string) => Promise<object[]>,
  [name, types, values]: Case,
  sql = readFileSync(new URL(`../../src/conversation/${name}.sql`, import.meta.url), 'utf8'),
): Promise<PlanNode[]> {
  const literals = values.map((value, index) => toLiteral(value, types[index]!));
  await run(`prepare statement (${types.join(', ')}) as ${sql}`);
  const [row] = await run(`explain (verbose, format json) execute statement(${literals.join(', ')})`);
  await run('deallocate statement');
  const plan = Object.values(row!)[0];
  // A plan for these values alone would have them in its place, and be made anew each time.
  expect(JSON.stringify(plan)).toContain('$1');
  return flatten((typeof plan === 'string' ? JSON.parse(plan) : plan)[0].Plan);
}

function expectLookups(nodes: readonly PlanNode[]): void {
  const wholeReads = nodes.filter((node) =>
    /Seq Scan|Hash Join|Merge Join|Materialize/.test(node['Node Type']),
  );
  expect(wholeReads.map((node) => `${node['Node Type']} ${node['Relation Name'] ?? ''}`)).toEqual([]);
  expect(nodes.some((node) => node['Node Type'].includes('Index'))).toBe(true);
}

function flatten(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)];
}

function toLiteral(value: unknown, type: string): string {
  if (value === null) return 'null';
  if (!Array.isArray(value)) return typeof value === 'string' ? `'${value}'` : String(value);
  return `array[${value.map((item) => (typeof item === 'string' ? `'${item}'` : item)).join(', ')}]::${type}`;
}
