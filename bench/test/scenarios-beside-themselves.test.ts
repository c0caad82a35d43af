import { afterAll, beforeAll, expect, test } from 'vitest';
import { measureGrowth } from '../src/scenarios/growth.ts';
import { measureInbox } from '../src/scenarios/inbox.ts';
import { measureJoin } from '../src/scenarios/join.ts';
import { measureStreams } from '../src/scenarios/streams.ts';
import { expectMeasured, openTinyStage, rates, type TinyStage, targets } from './tiny-stage.ts';

let stage: TinyStage;

beforeAll(async () => {
  stage = await openTinyStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

test('join: followed, cold, with much that was missed, and all at once', async () => {
  const rows = await measureJoin(stage, {
    joiners: 2,
    coldEach: 20,
    messages: 3,
    catchUp: { messages: 30, readers: 2 },
    reconnect: { sockets: 4, missedEach: 2, messages: 3 },
  });
  expect(rates(rows)).toEqual([
    'of sessions that are followed: joins/s',
    'of sessions that nobody has open: joins/s',
    '30 missed messages, 2 readers at once: messages/s',
  ]);
  expect(targets(rows)).toEqual(['4 sockets come back at once, until all have caught up: ≤ 5']);
  expectMeasured(rows);
});

test('inbox: pages and updates, beside the smallest', async () => {
  const rows = await measureInbox(stage, [100, 110]);
  expect(targets(rows)).toEqual(['first page, 110 sessions, p50, beside 100 sessions: ≤ 2']);
  const updates = rows.filter(({ what }) => what.startsWith('update beyond'));
  expect(updates.map(({ against }) => against?.name)).toEqual([undefined, '100 sessions']);
  // An update may come sooner than after the whole time of gathering.
  expectMeasured(rows.filter((row) => !updates.includes(row)));
});

test('growth: each size beside the smallest, and appends to what is there', async () => {
  const rows = await measureGrowth(stage, { sizes: [500, 1_000], messagesEach: 10 });
  expect(targets(rows)).toEqual([
    'inbox page at 1,000 messages, p50, beside at 500: ≤ 1.15',
    'history page at 1,000 messages, p50, beside at 500: ≤ 1.15',
    'cold join at 1,000 messages, p50, beside at 500: ≤ 1.15',
    'append at 1,000 messages, beside at 500: ≥ 0.87',
    'append at 1,000 messages, p50, beside at 500: ≤ 1.15',
  ]);
  expectMeasured(rows);
  const end = rows.at(-1)!;
  expect(end.what).toBe('stored in the end, of 500 at the start');
  expect(end.values).toEqual([await stage.count('growth_500', 'chat_messages')]);
  expect(end.values[0]).toBeGreaterThan(500);
  expect(stage.said).toContain('append, round 1 of 1');
});

test('streams: what came beside what was sent, more of them beside the fewest', async () => {
  const all = await measureStreams(stage, { streams: [1, 3], agents: 2, perSecond: 500 });
  const rows = all.filter(({ unit }) => unit !== 'µs');
  expect(rates(rows)).toEqual([
    '1 streams of 500 chunks/s, delivered: chunks/s',
    '3 streams of 500 chunks/s, delivered: chunks/s',
  ]);
  expect(rows.map(({ against }) => against?.name)).toEqual([
    'sent',
    'sent',
    ...Array.from({ length: 4 }, () => [undefined, '1 streams']).flat(),
  ]);
  expectMeasured(rows);
  // A warm-up with all three, then one round: each question has one answer, and nothing is left of its stream.
  expect(await stage.count('streams', "chat_messages where kind = 'assistant'")).toBe(7);
  expect(await stage.count('streams', 'agent_stream_segments')).toBe(0);
  expect(await stage.count('streams', "agent_turns where status <> 'completed'")).toBe(0);
});
