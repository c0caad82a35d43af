import { findJsonProblem, type JsonObject } from '@fleetlm/protocol';
import { type TestDatabase, testDatabase } from '@fleetlm/testkit';
import fc from 'fast-check';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { messagePreview } from '../../src/conversation/inbox/message-preview.ts';

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await testDatabase();
  client = new Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database[Symbol.asyncDispose]();
});

/** What Postgres makes of these contents. */
async function previewsInSql(contents: readonly string[]): Promise<(string | null)[]> {
  const { rows } = await client.query<{ preview: string | null }>(
    `select message_preview(content::json) as preview
     from unnest($1::text[]) with ordinality as c (content, position) order by position`,
    [contents],
  );
  return rows.map((row) => row.preview);
}

const long = 'x'.repeat(141);
const previews: Record<string, [content: JsonObject, preview: string | null]> = {
  'a text': [{ text: 'hi' }, 'hi'],
  'an empty text': [{ text: '' }, ''],
  'a long text': [{ text: long }, 'x'.repeat(140)],
  'emoji, which take two units each': [{ text: '🙂'.repeat(141) }, '🙂'.repeat(140)],
  'an emoji at the cut': [{ text: `${'x'.repeat(139)}🙂🙂` }, `${'x'.repeat(139)}🙂`],
  'a family of joined emoji, cut like any': [
    { text: `${'x'.repeat(138)}👩‍👧` },
    `${'x'.repeat(138)}👩\u200d`,
  ],
  'text parts, joined': [
    {
      parts: [
        { type: 'text', text: 'one ' },
        { type: 'image', text: 'no' },
        { type: 'text', text: 'two' },
      ],
    },
    'one two',
  ],
  'a text beside parts': [{ text: 'this', parts: [{ type: 'text', text: 'not this' }] }, 'this'],
  'a text of another type beside parts': [{ text: 1, parts: [{ type: 'text', text: 'this' }] }, 'this'],
  'parts without text': [
    { parts: [{ type: 'image' }, null, 'text', 3, ['text'], { type: 'text', text: 7 }] },
    null,
  ],
  'no parts': [{ parts: [] }, null],
  'parts that are none': [{ parts: { type: 'text', text: 'no' } }, null],
  nothing: [{}, null],
};

test.each(Object.entries(previews))('%s', async (_, [content, preview]) => {
  const json = JSON.stringify(content);
  expect(messagePreview(json)).toBe(preview);
  expect(await previewsInSql([json])).toEqual([preview]);
});

test('Postgres puts it into the query that asks for it: no call for each message', async () => {
  const { rows } = await client.query('explain (verbose) select message_preview(content) from chat_messages');
  const plan = JSON.stringify(rows);
  expect(plan).toContain('text_of_parts');
  expect(plan).not.toContain('message_preview');
});

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.constantFrom('', 'text', '🙂'.repeat(150)),
);
const odd = fc.oneof(text, fc.jsonValue({ maxDepth: 2 }));
const part = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('text', 'image'), text }) },
  { weight: 1, arbitrary: fc.record({ type: odd, text: odd }, { requiredKeys: [] }) },
  { weight: 1, arbitrary: odd },
);
const content = fc.record(
  {
    text: fc.oneof(text, odd),
    parts: fc.oneof({ weight: 3, arbitrary: fc.array(part) }, { weight: 1, arbitrary: odd }),
  },
  { requiredKeys: [] },
);

test('property: the code and SQL say the same of whatever can be stored', async () => {
  const storable = content.filter((value) => findJsonProblem(value) === null);
  await fc.assert(
    fc.asyncProperty(fc.array(storable, { minLength: 50, maxLength: 50 }), async (contents) => {
      const texts = contents.map((each) => JSON.stringify(each));
      expect(texts.map(messagePreview)).toEqual(await previewsInSql(texts));
    }),
    { numRuns: 40 },
  );
});
