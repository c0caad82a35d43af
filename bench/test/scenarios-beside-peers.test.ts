import { afterAll, beforeAll, expect, test } from 'vitest';
import { measureAppend } from '../src/scenarios/append.ts';
import { measureFanOut } from '../src/scenarios/fan-out.ts';
import { measureIdle } from '../src/scenarios/idle.ts';
import { rest } from '../src/scenarios/rest.ts';
import { expectMeasured, openTinyStage, rates, type TinyStage, targets } from './tiny-stage.ts';

let stage: TinyStage;

beforeAll(async () => {
  stage = await openTinyStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

test.concurrent('append, beside the statement and Socket.IO', async () => {
  const rows = await measureAppend(stage, { sockets: 3, inFlight: 2 });
  expect(targets(rows)).toEqual([
    'acknowledged, 3 sockets × 2 in flight, beside the append statement alone: ≥ 0.45',
    'acknowledged, 3 sockets × 2 in flight, beside Socket.IO + INSERT: ≥ 8',
  ]);
  expectMeasured(rows);
});

// Most of its time it waits.
test.concurrent('idle: heartbeats, and no memory where it cannot be told', async () => {
  const rows = await measureIdle(stage, { sockets: [2, 4], heartbeatMs: 10, seconds: 0.05 });
  expect(rates(rows)).toEqual(['answered, 4 sockets: heartbeats/s']);
  expect(targets(rows)).toEqual([]);
  expectMeasured(rows);
});

test('fan-out, beside a bare loop and Socket.IO', async () => {
  const rows = await measureFanOut(stage, [5]);
  expect(targets(rows)).toEqual([
    '5 subscribers, single messages, stored, beside bare ws loop, not stored: ≥ 0.9',
    '5 subscribers, single messages, stored, beside Socket.IO room, not stored: ≥ 2',
    '5 subscribers, bursts of 10, stored, beside bare ws loop, not stored: ≥ 2',
    '5 subscribers, bursts of 10, stored, beside Socket.IO room, not stored: ≥ 2',
  ]);
  expectMeasured(rows);
});

test('rest: appends and history, beside bare Fastify, and a commit', async () => {
  const rows = await rest.run(stage);
  const names = new Set(rows.flatMap(({ against }) => against?.name ?? []));
  expect([...names]).toEqual(['bare Fastify + INSERT', 'one-row commit', 'bare Fastify, as many bytes']);
  expectMeasured(rows);
  // What was read was five pages; the rest was written with a client_id of its own, in both.
  expect(await stage.count('rest', 'chat_messages where client_id is null')).toBe(250);
  for (const [database, table] of [
    ['rest', 'chat_messages'],
    ['rest_fastify', 'messages'],
  ] as const) {
    const written = await stage.count(database, `${table} where client_id is not null`);
    expect(written).toBeGreaterThan(0);
    const ids = `(select distinct client_id from ${table}) one where client_id is not null`;
    expect(await stage.count(database, ids)).toBe(written);
  }
});
