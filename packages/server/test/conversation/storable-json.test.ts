import { findJsonProblem } from '@fleetlm/protocol';
import { type TestDatabase, testDatabase } from '@fleetlm/testkit';
import fc from 'fast-check';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await testDatabase();
  client = new Client(database.target);
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database[Symbol.asyncDispose]();
});

/** The JSON texts as jsonb gives them back. */
async function store(texts: readonly string[]): Promise<string[]> {
  const { rows } = await client.query(
    'select value::jsonb::text as stored from unnest($1::text[]) with ordinality as input(value, ord) order by ord',
    [texts],
  );
  return rows.map(({ stored }) => stored);
}

// Any UTF-16: NUL, control characters and lone surrogates come up often.
const unit = fc.oneof(
  fc.integer({ min: 0, max: 0xffff }),
  fc.constantFrom(0, 0x1f, 0xd83c, 0xdf0d, 0xfffe, 0xffff),
);
const text = fc.array(unit, { maxLength: 8 }).map((units) => String.fromCharCode(...units));
const number = fc.oneof(
  fc.double(),
  fc.double({ min: -1e-300, max: 1e-300 }),
  fc.maxSafeInteger(),
  fc.constantFrom(5e-324, -0, 2 ** 53, 1e308, 0.1 + 0.2, 1e-7),
);
const value = fc.anything({
  values: [text, number, fc.boolean(), fc.constant(null)],
  key: fc.oneof(text, fc.constantFrom('__proto__', 'constructor', '')),
  maxDepth: 5,
});

test('property: whatever is accepted is stored, and comes back equal', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 20, maxLength: 40 }), async (values) => {
      // As a frame is read: what JSON cannot say never arrives.
      const arrived = values.map((each): unknown => JSON.parse(JSON.stringify(each)));
      const accepted = arrived.filter((each) => findJsonProblem(each) === null);
      const stored = await store(accepted.map((each) => JSON.stringify(each)));
      expect(stored.map((each) => JSON.parse(each))).toEqual(accepted);
    }),
    { numRuns: 100 },
  );
});

test('nesting up to the limit is stored', async () => {
  const deepest = `${'{"a":['.repeat(16)}${']}'.repeat(16)}`;
  expect(findJsonProblem(JSON.parse(deepest))).toBeNull();
  const [stored] = await store([deepest]);
  expect(JSON.parse(stored!)).toEqual(JSON.parse(deepest));
});

test.each([
  ['NUL in a text', '{"a":"\\u0000"}', '22P05'],
  ['NUL in a key', '{"\\u0000":1}', '22P05'],
  ['a lone high surrogate', '{"a":"\\ud800"}', '22P02'],
  ['a lone low surrogate in a key', '{"\\udc00":1}', '22P02'],
  ['a number beyond numeric', '1e200000', '22003'],
])('Postgres refuses %s, and so do we', async (_name, json, code) => {
  expect(findJsonProblem(JSON.parse(json))).not.toBeNull();
  await expect(store([json])).rejects.toMatchObject({ code });
});
