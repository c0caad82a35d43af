import { type TestDatabase, testDatabase, waitUntil } from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { booleanArray, integerArray, smallintArray, textArray } from '../../src/storage/binary-array.ts';
import { runTransaction } from '../../src/storage/transaction.ts';

let database: TestDatabase;
let client: Client;
let other: Client;

beforeAll(async () => {
  database = await testDatabase();
  other = new Client(database.target);
  await other.connect();
  await other.query('create table marks (mark text primary key)');
});

afterAll(async () => {
  await other.end();
  await database[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await other.query('truncate marks');
  client = new Client(database.target);
  client.on('error', () => {});
  await client.connect();
});

afterEach(() => client.end());

const mark = (text: string) => ({ text: 'insert into marks values ($1)', values: [text] });
const marks = async () =>
  (await other.query<{ mark: string }>('select mark from marks order by mark')).rows.map((row) => row.mark);
const select = (text: string) => ({ text: `select ${text}` });

describe('statements in one transaction', () => {
  test('give their rows in order, as texts', async () => {
    await client.query('prepare twice as select $1::int * 2, null::text');
    const results = await runTransaction(client, [
      select('1 union all select 2'),
      mark('a'),
      { name: 'twice', values: ['21'] },
    ]);
    expect(results).toEqual([[['1'], ['2']], [], [['42', null]]]);
    expect(await marks()).toEqual(['a']);
  });

  test('are stored all or not at all, and the connection goes on', async () => {
    await expect(runTransaction(client, [mark('a'), select('1/0'), mark('b')])).rejects.toMatchObject({
      code: '22012',
    });
    expect(await marks()).toEqual([]);
    await runTransaction(client, [mark('c')]);
    expect(await marks()).toEqual(['c']);
  });

  test('each sees what was committed while the one before it waited', async () => {
    await runTransaction(client, [mark('a')]);
    await other.query('begin');
    await other.query(`select from marks where mark = 'a' for update`);
    const counted = runTransaction(client, [
      { text: `select mark from marks where mark = 'a' for update` },
      select('count(*) from marks'),
    ]);
    await waitUntil(async () => {
      const { rowCount } = await other.query(`select from pg_locks where not granted`);
      return rowCount === 1;
    });
    await other.query(`insert into marks values ('b')`);
    await other.query('commit');
    expect(await counted).toEqual([[['a']], [['2']]]);
  });

  test('an error of the commit itself is one', async () => {
    await other.query('create table late (mark text references marks deferrable initially deferred)');
    await expect(runTransaction(client, [{ text: `insert into late values ('x')` }])).rejects.toMatchObject({
      code: '23503',
    });
    expect((await other.query('table late')).rowCount).toBe(0);
    await other.query('drop table late');
  });

  test('a lost connection is an error', async () => {
    const lost = runTransaction(client, [mark('a'), select('pg_sleep(10)')]);
    const pid = (client as unknown as { processID: number }).processID;
    await waitUntil(
      async () => (await other.query('select pg_terminate_backend($1) as done', [pid])).rows[0].done,
    );
    await expect(lost).rejects.toThrow();
    expect(await marks()).toEqual([]);
  });
});

describe('statements that depend on the first', () => {
  test('are chosen by their rows, and nothing is visible before their commit', async () => {
    let seen: string[] | null = null;
    const results = await runTransaction(client, [mark('a'), select(`'b'`)], async ([, rows]) => {
      seen = await marks();
      return [mark(rows![0]![0]!)];
    });
    expect(seen).toEqual([]);
    expect(results).toHaveLength(3);
    expect(await marks()).toEqual(['a', 'b']);
  });

  test('may be none', async () => {
    await runTransaction(client, [mark('a')], () => []);
    expect(await marks()).toEqual(['a']);
  });

  test('are not asked for when a first one fails', async () => {
    let isAsked = false;
    const failed = runTransaction(client, [select('1/0'), mark('a')], () => {
      isAsked = true;
      return [];
    });
    await expect(failed).rejects.toMatchObject({ code: '22012' });
    expect(isAsked).toBe(false);
    await runTransaction(client, [mark('b')]);
    expect(await marks()).toEqual(['b']);
  });

  test('when choosing them fails, nothing is stored, and the connection goes on', async () => {
    const failed = runTransaction(client, [mark('a')], () => Promise.reject(new Error('no choice')));
    await expect(failed).rejects.toThrow('no choice');
    await runTransaction(client, [mark('b')]);
    expect(await marks()).toEqual(['b']);
  });
});

describe('binary arrays', () => {
  const echo = async (type: string, array: Buffer) => {
    const text = `select to_json($1::${type}[])`;
    const [rows] = await runTransaction(client, [{ text, values: [array] }]);
    return JSON.parse(rows![0]![0]!);
  };

  test.each([
    ['text', textArray([]), []],
    [
      'text',
      textArray(['', 'a', null, 'NULL', '{"x": "\\\\"}', 'ключ 🙂 \u2028', 'x'.repeat(100_000)]),
      ['', 'a', null, 'NULL', '{"x": "\\\\"}', 'ключ 🙂 \u2028', 'x'.repeat(100_000)],
    ],
    ['smallint', smallintArray([0, 1023, -32_768, 32_767]), [0, 1023, -32_768, 32_767]],
    ['smallint', smallintArray([]), []],
    ['integer', integerArray([0, 1, -2_147_483_648, 2_147_483_647]), [0, 1, -2_147_483_648, 2_147_483_647]],
    ['integer', integerArray([]), []],
    ['boolean', booleanArray([true, false, true]), [true, false, true]],
  ])('are read by Postgres as they were: %s, case %#', async (type, array, expected) => {
    expect(await echo(type, array)).toEqual(expected);
  });
});
