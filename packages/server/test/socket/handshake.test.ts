import { connect } from 'node:net';
import { wireError } from '@fleetlm/protocol';
import { HandshakeRefused, RawSocket, type RawSocketOptions, waitUntil } from '@fleetlm/testkit';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { service } from '../../src/auth/principal.ts';
import { fail, ok } from '../../src/lib/result.ts';
import { type SocketFixture, startSocketFixture } from './socket-fixture.ts';

describe('version', () => {
  test.each(['2.0.0', '2.0.7'])('cases 1, 4: vsn=%s is accepted, and the server is silent', async (vsn) => {
    const fixture = await startSocketFixture();
    const socket = await fixture.connect({ vsn });
    expect(await socket.settle()).toEqual([]);
  });

  test.each(['123.1.1', 'abc', '2.1.0', '3.0.0', '2', '', '2.0.0x'])(
    'cases 2 to 4: vsn=%s is refused',
    async (vsn) => {
      const fixture = await startSocketFixture();
      expect(await refusal(fixture, { vsn })).toMatchObject({ status: 403, body: '' });
    },
  );

  test.each([null, '1.0.0', '1.0.5'])('case 5: vsn=%s speaks V1', async (vsn) => {
    const fixture = await startSocketFixture();
    const socket = await fixture.connect({ vsn });
    socket.send({ topic: 'phoenix', event: 'heartbeat', payload: {}, ref: '1' });
    expect(await socket.next()).toEqual({
      topic: 'phoenix',
      event: 'phx_reply',
      payload: { status: 'ok', response: {} },
      ref: '1',
    });
  });
});

describe('identity', () => {
  test('case 6: refused credentials get an empty 403, no 101', async () => {
    const fixture = await startSocketFixture();
    const refused = await refusal(fixture, {}, `${fixture.url}?token=bad`);
    expect(refused).toMatchObject({ status: 403, body: '' });
    expect(refused.headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
    });
    expect(fixture.server.connectionCount).toBe(0);
  });

  test('an authenticator that fails is not the client’s fault: 503', async () => {
    const fixture = await startSocketFixture({
      authenticate: () => Promise.reject(new Error('no database')),
    });
    const refused = await refusal(fixture);
    expect(refused.status).toBe(503);
    expect(refused.headers['retry-after']).toBe('1');
    expect(fixture.logLines).toMatchObject([{ level: 'error', message: 'handshake failed' }]);
  });

  test('case 8: the token of the subprotocol, and the answer phoenix', async () => {
    const fixture = await startSocketFixture();
    const carried = Buffer.from('my.token-1').toString('base64').replaceAll('=', '');
    const socket = await fixture.connect({ protocols: ['phoenix', `base64url.bearer.phx.${carried}`] });
    expect(socket.protocol).toBe('phoenix');
    expect(fixture.credentials).toEqual({ participantId: null, token: 'my.token-1' });
  });

  test('case 9: subprotocols without phoenix are refused', async () => {
    const fixture = await startSocketFixture();
    expect((await refusal(fixture, { protocols: ['foo'] })).status).toBe(403);
  });

  test('participant and token come from parameters or headers', async () => {
    const fixture = await startSocketFixture();
    await fixture.connect({ headers: { 'x-participant-id': 'user:h', authorization: 'Bearer t1' } });
    expect(fixture.credentials).toEqual({ participantId: 'user:h', token: 't1' });
    await RawSocket.open(`${fixture.url}?participant_id=user:p&token=t2`);
    expect(fixture.credentials).toEqual({ participantId: 'user:p', token: 't2' });
  });

  test('a participant in a header is UTF-8, as in the parameter; anything else is refused', async () => {
    const fixture = await startSocketFixture();
    const id = 'user:josé 🌍';
    await fixture.connect({ headers: { 'x-participant-id': Buffer.from(id).toString('latin1') } });
    expect(fixture.credentials?.participantId).toBe(id);
    await RawSocket.open(`${fixture.url}?participant_id=${encodeURIComponent(id)}`);
    expect(fixture.credentials?.participantId).toBe(id);
    const refused = await refusal(fixture, { headers: { 'x-participant-id': 'user:josé' } });
    expect(refused).toMatchObject({ status: 403, body: '' });
  });

  test('an empty participant_id is not nobody', async () => {
    const fixture = await startSocketFixture();
    expect((await refusal(fixture, {}, `${fixture.url}?participant_id=`)).status).toBe(403);
  });

  test('case 12: unknown and nested parameters do no harm', async () => {
    const fixture = await startSocketFixture();
    const query = 'a%5Bb%5D=1&l%5B0%5D=1&x=%E0%A4%A&__proto__%5Bx%5D=1&participant_id=user:a';
    const socket = await RawSocket.open(`${fixture.url}?${query}`);
    expect(await socket.settle()).toEqual([]);
    expect(fixture.credentials?.participantId).toBe('user:a');
  });
});

describe('origin and host', () => {
  const allowed = { auth: { allowedOrigins: ['https://app.example'] } };

  test.each([
    ['case 10: no Origin', allowed, undefined, 101],
    ['case 10: an allowed Origin', allowed, 'https://app.example', 101],
    ['case 10: another port', allowed, 'https://app.example:8443', 403],
    ['case 10: another Origin', allowed, 'https://evil.example', 403],
    ['case 10: Origin null', allowed, 'null', 403],
    ['case 10: Origin unparsable', allowed, 'nonsense', 403],
    ['case 10: no list, another host', {}, 'https://evil.example', 403],
  ])('%s', async (_name, options, origin, status) => {
    const fixture = await startSocketFixture(options);
    expect(await statusOf(fixture, { headers: origin ? { origin } : {} })).toBe(status);
  });

  test('S1: with authentication none a rebound name is refused, unless accepted by name', async () => {
    const headers = { host: 'evil.example' };
    expect(await statusOf(await startSocketFixture(), { headers })).toBe(403);
    const insecure = await startSocketFixture({ auth: { insecureAllowNoAuth: true } });
    expect(await statusOf(insecure, { headers })).toBe(101);
  });
});

describe('requests that are no handshake', () => {
  test('case 11: GET without upgrade and POST get 400', async () => {
    const fixture = await startSocketFixture();
    const url = fixture.url.replace('ws:', 'http:');
    const get = await fetch(url);
    expect([get.status, await get.text()]).toEqual([400, 'Connect with a WebSocket upgrade request.\n']);
    const post = await fetch(url, { method: 'POST' });
    expect([post.status, await post.text()]).toEqual([400, '']);
  });

  test.each([
    ['POST /socket/websocket?vsn=2.0.0', 'websocket', 400],
    ['GET /socket/other?vsn=2.0.0', 'websocket', 404],
    ['GET /elsewhere', 'h2c', 200],
    ['GET /socket/websocket?vsn=2.0.0', 'websocket', 400], // without a Sec-WebSocket-Key
  ])('%s with Upgrade: %s is answered with %i', async (line, upgrade, status) => {
    const fixture = await startSocketFixture();
    const answer = await rawRequest(fixture, line, upgrade);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  test('a client that goes away while it is authenticated leaves nothing', async () => {
    const gate = Promise.withResolvers<void>();
    const fixture = await startSocketFixture({
      authenticate: async () => {
        await gate.promise;
        return ok(service);
      },
    });
    const { socket } = sendRequest(fixture, 'GET /socket/websocket', 'websocket', true);
    await waitUntil(() => fixture.server.handshakeCount === 1);
    socket.resetAndDestroy();
    gate.resolve();
    await waitUntil(() => fixture.server.handshakeCount === 0);
    await waitUntil(() => fixture.server.connectionCount === 0);
  });

  test('S20: an authenticator that hangs holds no socket for ever, and a stopped server no timer', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const gate = Promise.withResolvers<void>();
    const fixture = await startSocketFixture({ authenticate: () => gate.promise.then(() => ok(service)) });
    const refused = refusal(fixture).catch((error) => error);
    await waitUntil(() => fixture.server.handshakeCount === 1);
    vi.advanceTimersByTime(11_000);
    expect(await refused).toMatchObject({ message: 'socket hang up' });
    gate.resolve();
    await fixture.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('the server stops while a client is authenticated', async () => {
    const gate = Promise.withResolvers<void>();
    const fixture = await startSocketFixture({
      authenticate: async () => {
        await gate.promise;
        return fail(wireError('unauthorized'));
      },
    });
    const refused = refusal(fixture).catch((error) => error);
    await waitUntil(() => fixture.server.handshakeCount === 1);
    const stopped = fixture.stop();
    gate.resolve();
    await stopped;
    expect(await refused).toBeInstanceOf(Error);
  });
});

async function refusal(
  fixture: SocketFixture,
  options: RawSocketOptions = {},
  url = fixture.url,
): Promise<HandshakeRefused> {
  const error = await RawSocket.open(url, options).then(
    () => new Error('the handshake was accepted'),
    (reason) => reason,
  );
  if (error instanceof HandshakeRefused) return error;
  throw error;
}

async function statusOf(fixture: SocketFixture, options: RawSocketOptions): Promise<number> {
  const socket = await RawSocket.open(fixture.url, options).catch((error) => error);
  if (socket instanceof RawSocket) return 101;
  if (socket instanceof HandshakeRefused) return socket.status;
  throw socket;
}

/** Everything that the server answers to a hand-written upgrade request. */
async function rawRequest(fixture: SocketFixture, line: string, upgrade: string): Promise<string> {
  const { socket, text } = sendRequest(fixture, line, upgrade, false);
  const answer = await waitUntil(() => text() || null);
  socket.destroy();
  return answer;
}

function sendRequest(fixture: SocketFixture, line: string, upgrade: string, hasKey: boolean) {
  const socket = connect(fixture.port, '127.0.0.1');
  let text = '';
  socket.on('data', (data) => {
    text += data;
  });
  socket.on('error', () => undefined);
  const key = hasKey ? 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n' : '';
  socket.write(
    `${line} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n${key}\r\n`,
  );
  return { socket, text: () => text };
}
