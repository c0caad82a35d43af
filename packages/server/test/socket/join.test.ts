import { setImmediate as nextTurn } from 'node:timers/promises';
import { waitUntil } from '@fleetlm/testkit';
import { describe, expect, test } from 'vitest';
import { startSocketFixture } from './socket-fixture.ts';

const topic = 'room:1';
const unmatched = { status: 'error', response: { reason: 'unmatched topic' } };
const joinedReply = { status: 'ok', response: { joined: true } };

describe('heartbeat and idle', () => {
  test('cases 13, 14: a heartbeat is answered, whatever its join_ref', async () => {
    const socket = await (await startSocketFixture()).connect();
    socket.send([null, '1', 'phoenix', 'heartbeat', {}]);
    socket.send(['9', '2', 'phoenix', 'heartbeat', {}]);
    expect(await socket.take(2)).toEqual([
      [null, '1', 'phoenix', 'phx_reply', { status: 'ok', response: {} }],
      [null, '2', 'phoenix', 'phx_reply', { status: 'ok', response: {} }],
    ]);
  });

  test.each(['x', 'phx_join', 'phx_leave'])('case 15: %s on phoenix is unmatched', async (event) => {
    const socket = await (await startSocketFixture()).connect();
    socket.send([null, '2', 'phoenix', event, {}]);
    expect(await socket.next()).toEqual([null, '2', 'phoenix', 'phx_reply', unmatched]);
  });

  test('case 16: silence is closed with 4009', async () => {
    const fixture = await startSocketFixture({ sockets: { idleMs: 40 } });
    const socket = await fixture.connect();
    expect(await socket.closed).toEqual({ code: 4009, reason: 'no_heartbeat' });
  });

  test('case 16: any frame keeps the socket open', async () => {
    const fixture = await startSocketFixture({ sockets: { idleMs: 200 } });
    const [busy, silent] = [await fixture.connect(), await fixture.connect()];
    const beat = setInterval(() => busy.send([null, 'b', topic, 'x', {}]), 20);
    expect((await silent.closed).code).toBe(4009);
    expect(await busy.settle()).not.toEqual([]);
    clearInterval(beat);
    expect((await busy.closed).code).toBe(4009);
  });
});

describe('join', () => {
  test('case 17: the reply echoes both refs, then pushes follow', async () => {
    const socket = await (await startSocketFixture()).connect();
    socket.send(['3', '3', topic, 'phx_join', {}]);
    expect(await socket.take(2)).toEqual([
      ['3', '3', topic, 'phx_reply', joinedReply],
      ['3', null, topic, 'welcome', {}],
    ]);
  });

  test('case 18: a refused join registers nothing and sends no phx_close', async () => {
    const socket = await (await startSocketFixture()).connect();
    socket.send(['3', '3', topic, 'phx_join', { join: 'refuse' }]);
    socket.send(['3', '4', topic, 'echo', {}]);
    const [refused, later] = await socket.take(2);
    expect(refused.slice(0, 4)).toEqual(['3', '3', topic, 'phx_reply']);
    expect(refused[4]).toMatchObject({ status: 'error', response: { reason: 'session_not_found' } });
    expect(later).toEqual([null, '4', topic, 'phx_reply', unmatched]);
    expect(await socket.settle()).toEqual([]);
  });

  test('case 19: a topic without channel is unmatched, without join_ref', async () => {
    const socket = await (await startSocketFixture()).connect();
    socket.send(['3', '3', 'nope', 'phx_join', {}]);
    expect(await socket.next()).toEqual([null, '3', 'nope', 'phx_reply', unmatched]);
  });

  test.each([
    ['the join rejects', topic, { join: 'throw' }],
    ['the channel cannot be made', 'room:broken', {}],
  ])('case 20: %s', async (_name, name, payload) => {
    const fixture = await startSocketFixture();
    const socket = await fixture.connect();
    socket.send(['3', '3', name, 'phx_join', payload]);
    expect(await socket.next()).toEqual([
      '3',
      '3',
      name,
      'phx_reply',
      { status: 'error', response: { reason: 'join crashed' } },
    ]);
    expect(await socket.settle()).toEqual([]);
    const crashes = fixture.logLines.filter((line) => line.level === 'error');
    expect(crashes).toMatchObject([{ message: 'channel crashed', fields: { topic: name } }]);
    expect(crashes[0]?.fields).toHaveProperty('connection_id');
  });

  test('a join that fails when its client is gone is nobody’s crash', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.connect();
    socket.send(['3', '3', topic, 'phx_join', { join: 'throw', gate: 'late' }]);
    await waitUntil(() => fixture.channels.length === 1, { what: 'the join' });
    socket.terminate();
    await waitUntil(() => fixture.server.connectionCount === 0, { what: 'the end of the socket' });
    fixture.gate('late').resolve();
    await nextTurn();
    expect(fixture.logLines.filter(({ level }) => level === 'error')).toEqual([]);
    expect(await fixture.metrics.scrape()).not.toContain('result="crashed"');
  });

  test('case 21: one topic too many, until one is left', async () => {
    const socket = await (await startSocketFixture({ sockets: { maxTopics: 2 } })).connect();
    for (const n of ['1', '2', '3']) socket.send([n, n, `room:${n}`, 'phx_join', {}]);
    const reply = await socket.next((frame) => frame[1] === '3');
    const tooMany = { status: 'error', response: { reason: 'too many channels joined' } };
    expect(reply).toEqual(['3', '3', 'room:3', 'phx_reply', tooMany]);
    socket.send(['1', '4', 'room:1', 'phx_leave', {}]);
    socket.send(['5', '5', 'room:3', 'phx_join', {}]);
    expect(await socket.next((frame) => frame[1] === '5')).toEqual([
      '5',
      '5',
      'room:3',
      'phx_reply',
      joinedReply,
    ]);
  });

  test('case 22: a duplicate join replaces the first', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.connect();
    socket.send(['3', '3', topic, 'phx_join', {}]);
    await socket.take(2);
    socket.send(['7', '7', topic, 'phx_join', {}]);
    expect(await socket.take(3)).toEqual([
      ['7', '7', topic, 'phx_reply', joinedReply],
      ['3', '3', topic, 'phx_close', {}],
      ['7', null, topic, 'welcome', {}],
    ]);
    fixture.broadcast(topic, 'news', {});
    expect(await socket.settle()).toEqual([[null, null, topic, 'news', {}]]);
    expect(fixture.channels.map((channel) => channel.leaves)).toEqual([1, 0]);
  });

  test('case 22: a duplicate join that is refused still closes the first', async () => {
    const socket = await (await startSocketFixture()).joined(topic);
    await socket.next();
    socket.send(['7', '7', topic, 'phx_join', { join: 'refuse' }]);
    const frames = await socket.take(2);
    expect(frames.map((frame) => [frame[0], frame[3]])).toEqual([
      ['7', 'phx_reply'],
      ['1', 'phx_close'],
    ]);
    socket.send(['1', '8', topic, 'echo', {}]);
    expect(await socket.next()).toEqual([null, '8', topic, 'phx_reply', unmatched]);
  });

  test('case 23: a join without join_ref: pushes carry its ref, and its ref is accepted', async () => {
    const socket = await (await startSocketFixture()).connect();
    socket.send([null, '3', topic, 'phx_join', {}]);
    expect(await socket.take(2)).toEqual([
      [null, '3', topic, 'phx_reply', joinedReply],
      ['3', null, topic, 'welcome', {}],
    ]);
    socket.send(['3', '4', topic, 'echo', { a: 1 }]);
    socket.send([null, '5', topic, 'close', {}]);
    expect(await socket.take(2)).toEqual([
      ['3', '4', topic, 'phx_reply', { status: 'ok', response: { a: 1 } }],
      [null, null, topic, 'phx_close', {}],
    ]);
  });

  test('case 24: a join and pushes back to back', async () => {
    const socket = await (await startSocketFixture()).connect();
    socket.send(['3', '3', topic, 'phx_join', {}]);
    socket.send(['3', '4', topic, 'echo', {}]);
    socket.send(['3', '5', topic, 'echo', {}]);
    const frames = await socket.take(4);
    expect(frames.map((frame) => frame[1])).toEqual(['3', null, '4', '5']);
  });

  test('case 24: too many frames behind a pending join are refused', async () => {
    const fixture = await startSocketFixture({ sockets: { maxPendingFrames: 2 } });
    const socket = await fixture.connect();
    socket.send(['3', '3', topic, 'phx_join', { gate: 'join' }]);
    for (const ref of ['4', '5', '6']) socket.send(['3', ref, topic, 'echo', {}]);
    const refused = await socket.next();
    expect(refused.slice(0, 4)).toEqual(['3', '6', topic, 'phx_reply']);
    expect(refused[4]).toMatchObject({
      status: 'error',
      response: { reason: 'overloaded', retryable: true },
    });
    fixture.gate('join').resolve();
    expect((await socket.take(4)).map((frame) => frame[1])).toEqual(['3', null, '4', '5']);
  });

  test('a topic that waits holds a bounded number of bytes', async () => {
    const fixture = await startSocketFixture({ sockets: { maxQueuedBytes: 1_000 } });
    const socket = await fixture.connect();
    socket.send(['3', '3', topic, 'phx_join', { gate: 'join' }]);
    for (const ref of ['4', '5']) socket.send(['3', ref, topic, 'echo', { text: 'x'.repeat(600) }]);
    expect((await socket.next())[1]).toBe('5');
  });

  test('case 25: nothing of a topic precedes its join reply', async () => {
    const socket = await (await startSocketFixture()).connect();
    socket.send(['3', '3', topic, 'phx_join', { join: 'race' }]);
    const frames = await socket.take(4);
    expect(frames.map((frame) => frame[3])).toEqual(['phx_reply', 'early', 'raced', 'welcome']);
  });

  test.each([
    ['close', 'phx_close'],
    ['crash', 'phx_error'],
  ])('a channel that ends while it joins (%s)', async (join, event) => {
    const fixture = await startSocketFixture();
    const socket = await fixture.connect();
    socket.send(['3', '3', topic, 'phx_join', { join }]);
    const frames = await socket.take(join === 'close' ? 3 : 2);
    expect(frames[0].slice(3)).toEqual(['phx_reply', joinedReply]);
    expect(frames.at(-1).slice(0, 4)).toEqual(['3', '3', topic, event]);
    expect(await socket.settle()).toEqual([]);
  });

  test.each([5, null, true])('case 26: topic %s', async (odd) => {
    const socket = await (await startSocketFixture()).connect();
    socket.send(['3', '3', odd, 'phx_join', {}]);
    expect(await socket.next()).toEqual([null, '3', odd, 'phx_reply', unmatched]);
  });

  test('case 35: a join payload that is no object', async () => {
    const socket = await (await startSocketFixture()).connect();
    socket.send(['3', '3', topic, 'phx_join', 'text']);
    const reply = await socket.next();
    expect(reply.slice(0, 4)).toEqual(['3', '3', topic, 'phx_reply']);
    expect(reply[4]).toMatchObject({ status: 'error', response: { reason: 'invalid_request' } });
  });
});
