import { RawSocket, waitUntil } from '@fleetlm/testkit';
import { describe, expect, test } from 'vitest';
import { startSocketFixture } from './socket-fixture.ts';

const topic = 'room:1';
const unmatched = { status: 'error', response: { reason: 'unmatched topic' } };
const joinedReply = { status: 'ok', response: { joined: true } };
const left = { status: 'ok', response: {} };

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

describe('push', () => {
  test('case 27: on a topic that is not joined', async () => {
    const socket = await (await startSocketFixture()).connect();
    socket.send(['3', '5', topic, 'echo', {}]);
    expect(await socket.next()).toEqual([null, '5', topic, 'phx_reply', unmatched]);
  });

  test('cases 28 to 30, 33, 36, 37: answered, in order', async () => {
    const socket = await (await startSocketFixture()).joined(topic);
    await socket.next();
    socket.send(['1', '2', topic, 'echo', { text: 'hällo 🌍' }]);
    socket.send(['1', '3', topic, 'refuse', {}]);
    socket.send([null, '4', topic, 'echo', {}]);
    socket.send(['1', '5', topic, 'echo', {}, 'sixth']);
    socket.send(['1', '6', topic, 'what', {}]);
    socket.send(['1', null, topic, 'echo', {}]);
    socket.send(['1', '7', topic, 'twice', {}]);
    const frames = await socket.take(7);
    const error = (reason: string, message: string) => ({
      status: 'error',
      response: { reason, message, retryable: false },
    });
    const ok = (response: unknown) => ({ status: 'ok', response });
    expect(frames).toEqual([
      ['1', '2', topic, 'phx_reply', ok({ text: 'hällo 🌍' })],
      ['1', '3', topic, 'phx_reply', error('forbidden', 'You may not do this')],
      ['1', '4', topic, 'phx_reply', ok({})],
      ['1', '5', topic, 'phx_reply', ok({})],
      ['1', '6', topic, 'phx_reply', error('unknown_event', 'The topic has no such event')],
      ['1', null, topic, 'phx_reply', ok({})],
      ['1', '7', topic, 'phx_reply', ok(1)],
    ]);
    expect(await socket.settle()).toEqual([]);
  });

  test('case 31: a stale join_ref is dropped without a word', async () => {
    const socket = await (await startSocketFixture()).joined(topic);
    await socket.next();
    socket.send(['0', '2', topic, 'echo', {}]);
    socket.send(['1', '3', topic, 'echo', {}]);
    expect((await socket.settle()).map((frame) => frame[1])).toEqual(['3']);
  });

  test('case 32: numeric refs stay numbers, and are not strings', async () => {
    const socket = await (await startSocketFixture()).connect();
    socket.send([3, 3, topic, 'phx_join', {}]);
    socket.send(['3', 4, topic, 'echo', {}]);
    socket.send([3, 5, topic, 'echo', {}]);
    expect((await socket.take(3)).map((frame) => frame.slice(0, 2))).toEqual([
      [3, 3],
      [3, null],
      [3, 5],
    ]);
    expect(await socket.settle()).toEqual([]);
  });

  test.each([
    '[1,2,3,4]',
    '{}',
    '{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}',
    'nonsense',
    '',
    'null',
    '5',
    '"text"',
    '[',
  ])('case 34: %j closes with 1007, and nobody else', async (text) => {
    const fixture = await startSocketFixture();
    const [socket, other] = [await fixture.connect(), await fixture.joined(topic)];
    socket.send(text);
    expect(await socket.closed).toEqual({ code: 1007, reason: 'malformed_frame' });
    await other.next();
    expect(await other.settle()).toEqual([]);
  });

  test.each([
    ['case 34: with V1 an array', '["1","1","room:1","phx_join",{}]'],
    ['case 34: with V1 no topic', '{"event":"x","payload":{},"ref":"1"}'],
  ])('%s closes with 1007', async (_name, text) => {
    const socket = await (await startSocketFixture()).connect({ vsn: '1.0.0' });
    socket.send(text);
    expect((await socket.closed).code).toBe(1007);
  });

  test.each([[[]], ['text'], [null], [5]])('case 35: the payload %j is refused', async (payload) => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    await socket.next();
    socket.send(['1', '2', topic, 'echo', payload]);
    expect(await socket.next()).toMatchObject([
      '1',
      '2',
      topic,
      'phx_reply',
      { status: 'error', response: { reason: 'invalid_request' } },
    ]);
    expect(fixture.channel(topic).handled).toEqual([]);
  });

  test('an event that is no text is refused', async () => {
    const socket = await (await startSocketFixture()).joined(topic);
    await socket.next();
    socket.send(['1', '2', topic, 7, {}]);
    expect((await socket.next())[4]).toMatchObject({ response: { reason: 'invalid_request' } });
  });

  test('case 38: one topic answers in order; another does not wait', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    socket.send(['2', '2', 'room:2', 'phx_join', {}]);
    await socket.take(3);
    socket.send(['1', '3', topic, 'slow', { gate: 'a' }]);
    socket.send(['1', '4', topic, 'echo', {}]);
    socket.send(['2', '5', 'room:2', 'echo', {}]);
    expect((await socket.next())[1]).toBe('5');
    fixture.gate('a').resolve();
    expect((await socket.take(2)).map((frame) => frame[1])).toEqual(['3', '4']);
  });

  test('case 38: calls that return nothing stay in flight together', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    await socket.next();
    for (const ref of ['2', '3']) socket.send(['1', ref, topic, 'later', {}]);
    const { replies } = await waitUntil(() => {
      const channel = fixture.channel(topic);
      return channel.replies.length === 2 && channel;
    });
    replies[1]?.ok('{}');
    replies[0]?.ok('{}');
    expect((await socket.take(2)).map((frame) => frame[1])).toEqual(['3', '2']);
  });
});

describe('broadcast', () => {
  test('cases 39, 42: the same bytes to everybody, under the right topic', async () => {
    const fixture = await startSocketFixture();
    const [first, second] = [await fixture.joined(topic), await fixture.joined(topic)];
    for (const socket of [first, second]) socket.send(['2', '2', 'room:2', 'phx_join', {}]);
    for (const socket of [first, second]) await socket.take(3);
    fixture.broadcast(topic, 'news', { n: 1 });
    fixture.broadcast('room:2', 'news', { n: 2 });
    const expected = [
      [null, null, topic, 'news', { n: 1 }],
      [null, null, 'room:2', 'news', { n: 2 }],
    ];
    expect(await first.take(2)).toEqual(expected);
    expect(await second.take(2)).toEqual(expected);
    expect(first.texts.slice(-2)).toEqual(second.texts.slice(-2));
  });

  test('case 39: V1 and V2 read the same event', async () => {
    const fixture = await startSocketFixture();
    const v1 = await fixture.connect({ vsn: '1.0.0' });
    v1.send({ topic, event: 'phx_join', payload: {}, ref: '1' });
    expect(await v1.take(2)).toEqual([
      { topic, event: 'phx_reply', payload: joinedReply, ref: '1' },
      { topic, event: 'welcome', payload: {}, ref: null },
    ]);
    fixture.broadcast(topic, 'news', { n: 1 });
    expect(await v1.next()).toEqual({ topic, event: 'news', payload: { n: 1 }, ref: null });
  });

  test('case 40: a sender can be left out', async () => {
    const fixture = await startSocketFixture();
    const [sender, other] = [await fixture.joined(topic), await fixture.joined(topic)];
    for (const socket of [sender, other]) await socket.next();
    sender.send(['1', '2', topic, 'shout_to_others', {}]);
    expect(await other.next()).toEqual([null, null, topic, 'shouted', {}]);
    expect((await sender.settle()).map((frame) => frame[3])).toEqual(['phx_reply']);
  });

  test('the reply goes out before the sender’s own broadcast', async () => {
    const socket = await (await startSocketFixture()).joined(topic);
    await socket.next();
    socket.send(['1', '2', topic, 'shout', {}]);
    expect((await socket.take(2)).map((frame) => frame[3])).toEqual(['phx_reply', 'shouted']);
  });

  test('case 41: nothing after the leave reply', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    const { port, replies } = fixture.channel(topic);
    await socket.next();
    socket.send(['1', '2', topic, 'later', {}]);
    socket.send(['1', '3', topic, 'phx_leave', {}]);
    await socket.take(2);
    fixture.broadcast(topic, 'news', {});
    port.push('late', '{}');
    port.close();
    port.crash(new Error('late'));
    replies[0]?.ok('{}');
    await expect(port.drained()).rejects.toThrow('the socket is closed');
    expect(await socket.settle()).toEqual([]);
  });
});

describe('leave, close, error', () => {
  test.each(['1', null])('case 43: leave with join_ref %s', async (joinRef) => {
    const socket = await (await startSocketFixture()).joined(topic);
    await socket.next();
    socket.send([joinRef, '6', topic, 'phx_leave', {}]);
    expect(await socket.take(2)).toEqual([
      ['1', '6', topic, 'phx_reply', left],
      ['1', '1', topic, 'phx_close', {}],
    ]);
  });

  test('case 44: leave of a topic that is not joined', async () => {
    const socket = await (await startSocketFixture()).connect();
    socket.send(['3', '6', topic, 'phx_leave', {}]);
    expect(await socket.settle()).toEqual([['3', '6', topic, 'phx_reply', left]]);
  });

  test('case 45: leave with a stale join_ref', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    await socket.next();
    socket.send(['0', '6', topic, 'phx_leave', {}]);
    expect(await socket.settle()).toEqual([]);
    expect(fixture.server.topicCount).toBe(1);
  });

  test('cases 46, 48: the server closes a topic; a push after that is unmatched', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    await socket.next();
    fixture.channel(topic).port.close();
    expect(await socket.next()).toEqual(['1', '1', topic, 'phx_close', {}]);
    socket.send(['1', '2', topic, 'echo', {}]);
    expect(await socket.next()).toEqual([null, '2', topic, 'phx_reply', unmatched]);
  });

  test.each(['throw', 'reject'])(
    'case 47: a channel that fails (%s) closes its topic alone',
    async (event) => {
      const fixture = await startSocketFixture();
      const socket = await fixture.joined(topic);
      socket.send(['2', '2', 'room:2', 'phx_join', {}]);
      await socket.take(3);
      socket.send(['1', '3', topic, event, { secret: 'payload' }]);
      expect(await socket.next()).toEqual(['1', '1', topic, 'phx_error', { reason: 'channel_crash' }]);
      socket.send(['2', '4', 'room:2', 'echo', {}]);
      expect((await socket.next())[1]).toBe('4');
      const crashes = fixture.logLines.filter((line) => line.level === 'error');
      expect(crashes).toMatchObject([{ fields: { topic }, message: 'channel crashed' }]);
      expect(JSON.stringify(crashes)).not.toContain('payload');
    },
  );

  test('case 47: what waits behind a failure is answered', async () => {
    const socket = await (await startSocketFixture()).joined(topic);
    await socket.next();
    socket.send(['1', '2', topic, 'reject', {}]);
    socket.send(['1', '3', topic, 'echo', {}]);
    socket.send(['4', '4', topic, 'phx_join', {}]);
    socket.send(['4', '5', topic, 'echo', {}]);
    expect((await socket.take(5)).map((frame) => [frame[1], frame[3]])).toEqual([
      ['1', 'phx_error'],
      ['3', 'phx_reply'],
      ['4', 'phx_reply'],
      [null, 'welcome'],
      ['5', 'phx_reply'],
    ]);
  });

  test('case 49: an answer before the close', async () => {
    const socket = await (await startSocketFixture()).joined(topic);
    await socket.next();
    socket.send(['1', '2', topic, 'answer_and_close', {}]);
    expect((await socket.take(2)).map((frame) => frame[3])).toEqual(['phx_reply', 'phx_close']);
  });

  test('case 50: leave and join back to back, also behind a slow answer', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    await socket.next();
    socket.send(['1', '2', topic, 'slow', { gate: 'a' }]);
    socket.send(['1', '3', topic, 'phx_leave', {}]);
    socket.send(['4', '4', topic, 'phx_join', {}]);
    expect(await socket.settle()).toEqual([]);
    fixture.gate('a').resolve();
    expect((await socket.take(5)).map((frame) => [frame[1], frame[3]])).toEqual([
      ['2', 'phx_reply'],
      ['3', 'phx_reply'],
      ['1', 'phx_close'],
      ['4', 'phx_reply'],
      [null, 'welcome'],
    ]);
  });

  test('V1: phx_close carries the ref of the join', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.connect({ vsn: null });
    socket.send({ topic, event: 'phx_join', payload: {}, ref: '1', join_ref: '1' });
    await socket.take(2);
    fixture.channel(topic).port.close();
    expect(await socket.next()).toEqual({ topic, event: 'phx_close', payload: {}, ref: '1' });
  });
});

describe('binary', () => {
  const binaryPush = (joinRef: string, ref: string, name: string, event: string) =>
    Buffer.concat([
      Buffer.from([0, ...[joinRef, ref, name, event].map((field) => Buffer.byteLength(field))]),
      Buffer.from(`${joinRef}${ref}${name}${event}`),
      Buffer.from([1, 2]),
    ]);

  test('cases 57, 60: a binary push is refused politely', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    await socket.next();
    socket.send(binaryPush('1', '5', topic, 'bin'));
    expect(await socket.next()).toMatchObject([
      '1',
      '5',
      topic,
      'phx_reply',
      { status: 'error', response: { reason: 'binary_unsupported' } },
    ]);
    expect(fixture.channel(topic).handled).toEqual([]);
  });

  test('case 58: lengths are bytes', async () => {
    const socket = await (await startSocketFixture()).connect();
    socket.send(binaryPush('1', '5', 'room:äß🌍', 'bin'));
    expect(await socket.next()).toEqual([null, '5', 'room:äß🌍', 'phx_reply', unmatched]);
  });

  test.each([
    ['unknown kind', [1, 1, 1, 1, 1, 49, 49, 97, 98]],
    ['truncated', [0, 5, 5, 5, 5, 1]],
    ['empty', []],
  ])('case 59: %s closes with 1002', async (_name, bytes) => {
    const socket = await (await startSocketFixture()).connect();
    socket.send(Uint8Array.from(bytes));
    expect((await socket.closed).code).toBe(1002);
  });
});

describe('connection end', () => {
  test('case 51: disconnecting a participant closes its sockets with 1001', async () => {
    const fixture = await startSocketFixture();
    const headers = { 'x-participant-id': 'user:a' };
    const sockets = [await fixture.joined(topic, { headers }), await fixture.connect({ headers })];
    const other = await fixture.connect({ headers: { 'x-participant-id': 'user:b' } });
    fixture.server.disconnect('user:a' as never);
    for (const socket of sockets) expect((await socket.closed).code).toBe(1001);
    expect(await other.settle()).toEqual([]);
    expect(fixture.channel(topic).leaves).toBe(1);
  });

  test('case 52: a drain closes with 1012, in batches, and refuses handshakes meanwhile', async () => {
    const fixture = await startSocketFixture();
    const sockets = await Promise.all([1, 2, 3].map(() => fixture.joined(topic)));
    const hurry = new AbortController();
    const drained = fixture.server.drain({ batch: 2, intervalMs: 60_000, signal: hurry.signal });
    await waitUntil(() => fixture.server.connectionCount === 1);
    await expect(fixture.connect()).rejects.toMatchObject({ status: 503 });
    hurry.abort();
    await drained;
    for (const socket of sockets) expect((await socket.closed).code).toBe(1012);
  });

  test('case 52: what was answered is sent before the close', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    fixture.channel(topic).port.push('last', '{}');
    await fixture.server.drain({ batch: 10, intervalMs: 1 });
    expect((await socket.closed).code).toBe(1012);
    expect(socket.texts.at(-1)).toBe('["1",null,"room:1","last",{}]');
  });

  test.each(['close', 'terminate'] as const)('case 53: a client that goes (%s)', async (how) => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    socket[how]();
    await waitUntil(() => fixture.server.connectionCount === 0);
    expect(fixture.channel(topic).leaves).toBe(1);
    expect(fixture.pubsub.topicCount).toBe(0);
  });

  test('case 53: a client that goes while it joins', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.connect();
    socket.send(['1', '1', topic, 'phx_join', { gate: 'join' }]);
    await socket.settle();
    socket.terminate();
    await waitUntil(() => fixture.server.connectionCount === 0);
    fixture.gate('join').resolve();
    expect(fixture.channel(topic).leaves).toBe(1);
  });

  test('case 54: a frame over the limit closes with 1009', async () => {
    const fixture = await startSocketFixture({ sockets: { maxFrameBytes: 1_000 } });
    const socket = await fixture.joined(topic);
    await socket.next();
    socket.send(['1', '2', topic, 'echo', { text: 'x'.repeat(1_000) }]);
    expect((await socket.closed).code).toBe(1009);
    await waitUntil(() => fixture.server.connectionCount === 0);
  });

  test.each([
    ['case 55: invalid UTF-8', maskedFrame(0x81, [0xc3, 0x28]), 1007],
    ['S17: a frame without mask', Buffer.from([0x81, 0x00]), 1002],
    ['S17: a reserved bit', maskedFrame(0xc1, []), 1002],
    ['S14: a flood of fragments', fragments(100), 1008],
  ])('%s closes with its code', async (_name, bytes, code) => {
    const fixture = await startSocketFixture();
    const [socket, control] = [await fixture.connect(), await fixture.joined(topic)];
    socket.writeBytes(bytes);
    expect((await socket.closed).code).toBe(code);
    await control.next();
    expect(await control.settle()).toEqual([]);
  });

  test('I34: two sockets of one server do not disturb each other', async () => {
    const fixture = await startSocketFixture();
    const [broken, control] = [await RawSocket.open(fixture.url), await fixture.joined(topic)];
    broken.writeBytes(Buffer.from([0x88, 0x81, 0, 0, 0, 0, 0])); // a close frame of one byte
    await broken.closed;
    await control.next();
    expect(await control.settle()).toEqual([]);
  });
});

/** A client frame with mask 0, below any WebSocket library. */
function maskedFrame(firstByte: number, payload: readonly number[]): Buffer {
  return Buffer.from([firstByte, 0x80 | payload.length, 0, 0, 0, 0, ...payload]);
}

function fragments(count: number): Buffer {
  const empty = Array.from({ length: count }, () => maskedFrame(0x00, []));
  return Buffer.concat([maskedFrame(0x01, []), ...empty]);
}
