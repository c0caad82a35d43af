import { connect } from 'node:net';
import { RawSocket, waitUntil } from '@fleetlm/testkit';
import { describe, expect, test, vi } from 'vitest';
import { startSocketFixture } from './socket-fixture.ts';

const topic = 'room:1';
const unmatched = { status: 'error', response: { reason: 'unmatched topic' } };
const left = { status: 'ok', response: {} };

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

  test('a leave and a rejoin are answered after the pushes before them, however these overlap', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    await socket.next();
    for (const ref of ['2', '3']) socket.send(['1', ref, topic, 'overlap', { gate: ref }]);
    socket.send(['4', '4', topic, 'phx_join', {}]);
    socket.send(['4', '5', topic, 'overlap', { gate: '5' }]);
    socket.send(['4', '6', topic, 'phx_leave', {}]);
    expect(await socket.settle()).toEqual([]);
    for (const ref of ['3', '2', '5']) {
      fixture.gate(ref).resolve();
      await socket.settle();
    }
    expect(socket.texts.slice(2).map(briefly).filter(isNoHeartbeat)).toEqual([
      '1 3 phx_reply',
      '1 2 phx_reply',
      '4 4 phx_reply',
      '1 1 phx_close',
      '4 null welcome',
      '4 5 phx_reply',
      '4 6 phx_reply',
      '4 4 phx_close',
    ]);
    expect(fixture.channels.map(({ settles, leaves }) => [settles, leaves])).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });

  test('a stale leave settles nothing', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    await socket.next();
    socket.send(['1', '2', topic, 'overlap', { gate: 'a' }]);
    socket.send(['0', '3', topic, 'phx_leave', {}]);
    expect(await socket.settle()).toEqual([]);
    expect(fixture.channel(topic).settles).toBe(0);
    fixture.gate('a').resolve();
    expect((await socket.next())[1]).toBe('2');
  });

  test.each(['close', 'crash'] as const)(
    'an end by the server (%s) does not wait for answers, nor does it lose the leave',
    async (how) => {
      const fixture = await startSocketFixture();
      const socket = await fixture.joined(topic);
      await socket.next();
      socket.send(['1', '2', topic, 'overlap', { gate: 'a' }]);
      socket.send(['1', '3', topic, 'phx_leave', {}]);
      await socket.settle();
      fixture.channel(topic).port[how](new Error('ended by the test'));
      fixture.gate('a').resolve();
      expect((await socket.settle()).map((frame) => [frame[1], frame[3]])).toEqual([
        ['1', how === 'close' ? 'phx_close' : 'phx_error'],
        ['3', 'phx_reply'],
      ]);
    },
  );

  test('a client that goes while its channel settles', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    socket.send(['1', '2', topic, 'overlap', { gate: 'a' }]);
    socket.send(['1', '3', topic, 'phx_leave', {}]);
    await socket.settle();
    socket.terminate();
    await waitUntil(() => fixture.server.connectionCount === 0);
    expect(fixture.channel(topic).leaves).toBe(1);
  });

  test('a channel that fails to settle crashes, and the leave is answered', async () => {
    const socket = await (await startSocketFixture()).joined(topic);
    await socket.next();
    socket.send(['1', '2', topic, 'never_settle', {}]);
    socket.send(['1', '3', topic, 'phx_leave', {}]);
    expect((await socket.take(3)).map((frame) => [frame[1], frame[3]])).toEqual([
      ['2', 'phx_reply'],
      ['1', 'phx_error'],
      ['3', 'phx_reply'],
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

  test('S21: a client that does not answer the close frame is cut off after 5 s', async () => {
    const fixture = await startSocketFixture();
    const mute = connect(fixture.port, '127.0.0.1');
    mute.on('error', () => undefined).resume();
    mute.write(
      'GET /socket/websocket?vsn=2.0.0&participant_id=user:a HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n' +
        'Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    await waitUntil(() => fixture.server.connectionCount === 1);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    fixture.server.disconnect('user:a' as never);
    vi.advanceTimersByTime(4_999);
    expect(fixture.server.connectionCount).toBe(1);
    vi.advanceTimersByTime(1);
    vi.useRealTimers();
    await waitUntil(() => fixture.server.connectionCount === 0);
    mute.destroy();
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

function briefly(text: string): string {
  const [joinRef, ref, , event] = JSON.parse(text);
  return `${joinRef} ${ref} ${event}`;
}

function isNoHeartbeat(frame: string): boolean {
  return !frame.includes('settle-');
}

/** A client frame with mask 0, below any WebSocket library. */
function maskedFrame(firstByte: number, payload: readonly number[]): Buffer {
  return Buffer.from([firstByte, 0x80 | payload.length, 0, 0, 0, 0, ...payload]);
}

function fragments(count: number): Buffer {
  const empty = Array.from({ length: count }, () => maskedFrame(0x00, []));
  return Buffer.concat([maskedFrame(0x01, []), ...empty]);
}
