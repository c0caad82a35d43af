import {
  answerOf,
  disconnectPhoenix,
  type PhoenixSocket,
  phoenixClient,
  phoenixVersions,
  waitUntil,
} from '@fleetlm/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { type SocketFixture, startSocketFixture } from './socket-fixture.ts';

const topic = 'room:1';
const open: PhoenixSocket[] = [];

afterEach(async () => {
  // A client that still reconnects would keep the test's process busy.
  await Promise.all(open.splice(0).map(disconnectPhoenix));
});

describe.each(phoenixVersions)('phoenix %s', (version) => {
  function connect(fixture: SocketFixture, options: Parameters<typeof phoenixClient>[2] = {}): PhoenixSocket {
    const socket = phoenixClient(version, fixture.endpoint, options);
    open.push(socket);
    return socket;
  }

  test('cases 17, 28, 29, 36: join, push, answers', async () => {
    const socket = connect(await startSocketFixture());
    const channel = socket.channel(topic, {});
    expect(await answerOf(channel.join())).toEqual({ status: 'ok', response: { joined: true } });
    expect(await answerOf(channel.push('echo', { text: 'hällo 🌍' }))).toEqual({
      status: 'ok',
      response: { text: 'hällo 🌍' },
    });
    expect(await answerOf(channel.push('refuse', {}))).toMatchObject({
      status: 'error',
      response: { reason: 'forbidden' },
    });
    expect(await answerOf(channel.push('what', {}))).toMatchObject({
      status: 'error',
      response: { reason: 'unknown_event' },
    });
  });

  test('case 8: the token goes as the client sends it', async () => {
    const fixture = await startSocketFixture();
    const token = 'header.payload.signature';
    const socket = connect(fixture, { params: { participant_id: 'user:a', nested: { a: [1] }, token } });
    await answerOf(socket.channel(topic).join());
    expect(fixture.credentials).toEqual({ participantId: 'user:a', token });
    if (version === '1.7.21') return; // it has no authToken
    connect(fixture, { authToken: 'another.token' });
    await waitUntil(
      () => fixture.credentials?.token === 'another.token' && fixture.server.connectionCount === 2,
    );
  });

  test('case 24: pushes before the join is answered', async () => {
    const channel = connect(await startSocketFixture()).channel(topic, {});
    const joined = answerOf(channel.join());
    const pushed = answerOf(channel.push('echo', { n: 1 }));
    expect((await joined).status).toBe('ok');
    expect(await pushed).toEqual({ status: 'ok', response: { n: 1 } });
  });

  test('cases 17, 39: server pushes and broadcasts reach the handlers', async () => {
    const fixture = await startSocketFixture();
    const seen: unknown[] = [];
    const channel = connect(fixture).channel(topic, {});
    channel.on('welcome', () => void seen.push('welcome'));
    channel.on('news', (payload) => void seen.push(payload));
    await answerOf(channel.join());
    fixture.broadcast(topic, 'news', { n: 1 });
    await waitUntil(() => seen.length === 2);
    expect(seen).toEqual(['welcome', { n: 1 }]);
  });

  test('cases 18, 20: the client tries again after a join error', async () => {
    const fixture = await startSocketFixture();
    let attempts = 0;
    const channel = connect(fixture).channel(topic, () => {
      attempts += 1;
      return { join: ['refuse', 'throw', 'ok'][attempts - 1] };
    });
    expect((await answerOf(channel.join())).response).toMatchObject({ reason: 'session_not_found' });
    await waitUntil(() => channel.state === 'joined');
    expect(attempts).toBe(3);
  });

  test('case 22: two channels of one topic', async () => {
    const fixture = await startSocketFixture();
    const socket = connect(fixture);
    const [first, second] = [socket.channel(topic, {}), socket.channel(topic, {})];
    const news: string[] = [];
    first.on('news', () => void news.push('first'));
    second.on('news', () => void news.push('second'));
    await answerOf(first.join());
    await answerOf(second.join());
    fixture.broadcast(topic, 'news', {});
    await waitUntil(() => news.includes('second'));
    expect((await answerOf(second.push('echo', {}))).status).toBe('ok');
    expect(news.filter((name) => name === 'second')).toEqual(['second']);
    expect(fixture.server.topicCount).toBe(1);
  });

  test('cases 43, 50: leave, and join again', async () => {
    const fixture = await startSocketFixture();
    const socket = connect(fixture);
    const channel = socket.channel(topic, {});
    await answerOf(channel.join());
    const left = answerOf(channel.leave());
    const rejoined = answerOf(socket.channel(topic, {}).join());
    expect((await left).status).toBe('ok');
    expect((await rejoined).status).toBe('ok');
    expect(fixture.channels.map((each) => each.leaves)).toEqual([1, 0]);
  });

  test('case 46: no rejoin after phx_close', async () => {
    const fixture = await startSocketFixture();
    const socket = connect(fixture);
    const channel = socket.channel(topic, {});
    await answerOf(channel.join());
    fixture.channel(topic).port.close();
    await waitUntil(() => channel.state === 'closed');
    // Long after the rejoin time of 10 ms: ten round trips on another topic.
    const other = socket.channel('room:2', {});
    await answerOf(other.join());
    for (let n = 0; n < 10; n += 1) await answerOf(other.push('echo', {}));
    expect(fixture.channels.filter((each) => each.topic === topic)).toHaveLength(1);
  });

  test('case 47: rejoin after phx_error, other topics untouched', async () => {
    const fixture = await startSocketFixture();
    const socket = connect(fixture);
    const [channel, other] = [socket.channel(topic, {}), socket.channel('room:2', {})];
    await answerOf(channel.join());
    await answerOf(other.join());
    const reasons: unknown[] = [];
    channel.onError((reason) => {
      reasons.push(reason);
    });
    channel.push('throw', {});
    await waitUntil(() => fixture.channels.length === 3 && channel.state === 'joined');
    expect(reasons).toEqual([{ reason: 'channel_crash' }]);
    expect((await answerOf(channel.push('echo', {}))).status).toBe('ok');
    expect((await answerOf(other.push('echo', {}))).status).toBe('ok');
    expect(fixture.channels.map((each) => each.leaves)).toEqual([1, 0, 0]);
  });

  test.each([
    ['case 51: 1001', (fixture: SocketFixture) => fixture.server.disconnect('user:a' as never)],
    [
      'case 52: 1012',
      (fixture: SocketFixture) => fixture.server.disconnect('user:a' as never, { code: 1012, reason: 'x' }),
    ],
    [
      'S19: 4008',
      (fixture: SocketFixture) => fixture.server.disconnect('user:a' as never, { code: 4008, reason: 'x' }),
    ],
  ])('%s: the client comes back and rejoins', async (_name, disconnect) => {
    const fixture = await startSocketFixture();
    const channel = connect(fixture, { params: { participant_id: 'user:a' } }).channel(topic, {});
    await answerOf(channel.join());
    disconnect(fixture);
    await waitUntil(() => fixture.channels.length === 2 && channel.state === 'joined');
    expect((await answerOf(channel.push('echo', {}))).status).toBe('ok');
  });

  test('case 16: heartbeats keep the client connected, silence does not', async () => {
    const fixture = await startSocketFixture({ sockets: { idleMs: 100 } });
    let closes = 0;
    const beating = connect(fixture, { heartbeatIntervalMs: 10 });
    beating.onClose(() => {
      closes += 1;
    });
    const silent = connect(fixture, { heartbeatIntervalMs: 60_000 });
    const code = Promise.withResolvers<number>();
    silent.onClose((event) => code.resolve(event.code));
    expect(await code.promise).toBe(4009);
    expect(closes).toBe(0);
  });

  test('case 60: a binary push is refused, not fatal', async () => {
    const channel = connect(await startSocketFixture()).channel(topic, {});
    await answerOf(channel.join());
    const answer = await answerOf(channel.push('bin', new Uint8Array([1, 2]).buffer));
    expect(answer).toMatchObject({ status: 'error', response: { reason: 'binary_unsupported' } });
    expect((await answerOf(channel.push('echo', {}))).status).toBe('ok');
  });

  test('case 5: vsn 1.0.0 works too', async () => {
    const options = {
      vsn: '1.0.0',
      encode: (message: object, callback: (text: string) => void) => callback(JSON.stringify(message)),
      decode: (text: string, callback: (message: unknown) => void) => callback(JSON.parse(text)),
    };
    const fixture = await startSocketFixture();
    const channel = connect(fixture, options as object).channel(topic, {});
    expect((await answerOf(channel.join())).status).toBe('ok');
    expect(await answerOf(channel.push('echo', { a: 1 }))).toEqual({ status: 'ok', response: { a: 1 } });
    fixture.channel(topic).port.close();
    await waitUntil(() => channel.state === 'closed');
  });
});
