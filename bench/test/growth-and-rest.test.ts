import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BenchDatabase, type BenchPostgres, query, startPostgres } from '../src/postgres.ts';
import type { Row } from '../src/row.ts';
import type { Stage } from '../src/scenario.ts';
import { measureGrowth } from '../src/scenarios/growth.ts';
import { rest } from '../src/scenarios/rest.ts';

const said: string[] = [];
const databases = new Map<string, BenchDatabase>();

let postgres: BenchPostgres;
let tiny: Stage;

beforeAll(async () => {
  postgres = await startPostgres();
  const createDatabase = async (name: string) => {
    const database = await postgres.createDatabase(name);
    databases.set(name, database);
    return database;
  };
  const progress = (text: string) => said.push(text);
  tiny = { rounds: 1, seconds: 0.05, postgres: { ...postgres, createDatabase }, progress };
});

afterAll(() => postgres[Symbol.asyncDispose]());

test('growth compares each size with the smallest, and appends to what is there', async () => {
  const rows = await measureGrowth(tiny, { sizes: [500, 1_000], messagesEach: 10 });
  expect(comparisons(rows)).toEqual([
    'inbox page, p50, at 1,000 messages beside at 500',
    'history page, p50, at 1,000 messages beside at 500',
    'cold join, p50, at 1,000 messages beside at 500',
    'append, acknowledged, at 1,000 messages beside at 500',
    'append, p50, at 1,000 messages beside at 500',
  ]);
  expect(rows.filter(({ target }) => target !== undefined)).toHaveLength(5);
  expect(withoutFigure(rows)).toEqual([]);
  // A machine that is busy may not close a session before it is joined again; nothing else may fail.
  expect(rows.filter(({ what }) => /^failed: (?!not cold)/.test(what))).toEqual([]);
  const end = rows.at(-1)!;
  expect(end.what).toBe('stored in the end, of 500 at the start');
  expect(end.values).toEqual([await count('bench_growth_500', 'chat_messages')]);
  expect(end.values[0]).toBeGreaterThan(500);
  expect(said).toContain('growth: append at 1,000, round 1 of 1');
});

test('rest compares appends and history with bare Fastify, and a commit', async () => {
  const rows = await rest.run(tiny);
  expect(comparisons(rows)).toEqual([
    'append, 20 in flight beside bare Fastify + INSERT',
    'the same, p50 beside bare Fastify + INSERT',
    'the same, p99 beside bare Fastify + INSERT',
    'append, 1 in flight, p50 beside one-row commit',
    'the same, p50 beside bare Fastify + INSERT',
    'the same, p99 beside bare Fastify + INSERT',
    'history of 50, 20 in flight beside bare Fastify, as many bytes',
    'the same, p50 beside bare Fastify, as many bytes',
    'the same, p99 beside bare Fastify, as many bytes',
  ]);
  expect(withoutFigure(rows)).toEqual([]);
  expect(rows.filter(({ unit }) => unit === 'failures')).toEqual([]);
  // What was read was five pages; the rest was written with a client_id of its own, in both.
  expect(await count('bench_rest', 'chat_messages where client_id is null')).toBe(250);
  for (const [database, table] of [
    ['bench_rest', 'chat_messages'],
    ['bench_fastify', 'messages'],
  ] as const) {
    const written = await count(database, `${table} where client_id is not null`);
    expect(written).toBeGreaterThan(0);
    expect(
      await count(database, `(select distinct client_id from ${table}) one where client_id is not null`),
    ).toBe(written);
  }
});

/** What is compared with what. */
function comparisons(rows: readonly Row[]): string[] {
  return rows.flatMap(({ what, against }) => (against === undefined ? [] : `${what} beside ${against.name}`));
}

/** Rows in which nothing was measured; CPU of so little work may be too little to be seen. */
function withoutFigure(rows: readonly Row[]): Row[] {
  return rows.filter(
    ({ unit, values, against }) =>
      unit !== 'µs' &&
      ![...values, ...(against?.values ?? [])].every((value) => value > 0 && value < Infinity),
  );
}

async function count(database: string, what: string): Promise<number> {
  const [row] = await query<{ count: number }>(
    databases.get(database)!.target,
    `select count(*)::int as count from ${what}`,
  );
  return row!.count;
}
