import { waitUntil } from '@fleetlm/testkit';
import { describe, expect, test } from 'vitest';
import { startSocketFixture } from './socket-fixture.ts';

const topic = 'room:1';
const unmatched = { status: 'error', response: { reason: 'unmatched topic' } };
const joinedReply = { status: 'ok', response: { joined: true } };

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
