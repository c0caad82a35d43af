import {
  addGroup,
  addParticipants,
  answerOf,
  disconnectPhoenix,
  HandshakeRefused,
  type IssuerKey,
  inSeconds,
  issuerKey,
  JwksServer,
  phoenixClient,
  RawSocket,
  SessionClient,
  signToken,
  signWith,
  startTestServer,
  type TestServer,
  testSecret,
  waitUntil,
} from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const env = { FLEETLM_JWT_SECRET: testSecret, FLEETLM_JWT_LEEWAY_MS: '0' };

interface LogLine {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

let server: TestServer;
let backend: Pick<TestServer, 'api'>;
let alice: string;
let sessionId: string;
const logLines: LogLine[] = [];

beforeAll(async () => {
  server = await startTestServer({ env, overrides: { log: recordingLog() } });
  backend = await serviceOf(server);
  await addParticipants(backend, 'user:alice', 'user:bob');
  sessionId = await addGroup(backend, 'user:alice', 'user:bob');
  alice = await signToken({ sub: 'user:alice' });
});
afterAll(() => server[Symbol.asyncDispose]());

function recordingLog() {
  const write = (level: string) => (fields: object, message: string) => {
    logLines.push({ level, fields, message });
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

/** Calls as the application's backend. */
async function serviceOf({ api }: TestServer): Promise<Pick<TestServer, 'api'>> {
  const token = await signToken({ sub: 'backend', role: 'service' });
  return { api: (method, path, options) => api(method, path, { token, ...options }) };
}

function withToken(token: string, { socketUrl } = server): string {
  return `${socketUrl()}?token=${token}`;
}

function subprotocols(token: string): string[] {
  return ['phoenix', `base64url.bearer.phx.${Buffer.from(token).toString('base64').replaceAll('=', '')}`];
}

/** How a handshake is refused. */
async function refusal(opening: Promise<RawSocket>): Promise<object> {
  const error = await opening.then(
    () => new Error('the handshake was accepted'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof HandshakeRefused)) throw error;
  const { status, body } = error;
  return { status, body };
}

describe('three ways to bring a token to the socket', () => {
  /** Who a socket is, by what it may join. */
  async function mayJoin(socket: RawSocket): Promise<boolean> {
    await using closing = socket;
    closing.send(['1', '1', `session:${sessionId}`, 'phx_join', {}]);
    return (await closing.next())[4].status === 'ok';
  }

  test('the subprotocol, as the official client does it', async () => {
    const socket = await RawSocket.open(server.socketUrl(), { protocols: subprotocols(alice) });
    expect(socket.protocol).toBe('phoenix');
    expect(await mayJoin(socket)).toBe(true);
  });

  test('the parameter', async () => {
    expect(await mayJoin(await RawSocket.open(withToken(alice)))).toBe(true);
  });

  test('the header', async () => {
    const headers = { authorization: `Bearer ${alice}` };
    expect(await mayJoin(await RawSocket.open(server.socketUrl(), { headers }))).toBe(true);
  });

  test('the token alone says who it is: names beside it are not looked at (I33)', async () => {
    const stranger = await signToken({ sub: 'user:stranger' });
    const headers = { authorization: `Bearer ${stranger}`, 'x-participant-id': 'user:alice' };
    const url = `${server.socketUrl('user:alice')}&participant_id=user:alice`;
    expect(await mayJoin(await RawSocket.open(url, { headers }))).toBe(false);
    const { body } = await server.api('GET', '/api/sessions', { token: stranger, as: 'user:alice' });
    expect(body.sessions).toEqual([]);
  });

  test('with tokens any Host is served; the Origin is checked all the same', async () => {
    const headers = { host: 'chat.example', authorization: `Bearer ${alice}` };
    expect(await mayJoin(await RawSocket.open(server.socketUrl(), { headers }))).toBe(true);
    const foreign = { ...headers, origin: 'https://evil.example' };
    expect(await refusal(RawSocket.open(server.socketUrl(), { headers: foreign }))).toMatchObject({
      status: 403,
    });
  });
});

describe('faults look alike (S2, S36)', () => {
  const faults: readonly (readonly [string, () => Promise<string | null>])[] = [
    ['no token', async () => null],
    ['an empty one', async () => ''],
    ['no JWT', async () => 'hello'],
    ['expired', () => signToken({ sub: 'user:alice', exp: inSeconds(-1) })],
    ['another key', () => signToken({ sub: 'user:alice' }, { key: 'x'.repeat(32) })],
    ['another algorithm', () => signToken({ sub: 'user:alice' }, { alg: 'HS512', key: 'x'.repeat(64) })],
    ['no sub', () => signToken({})],
    ['the service, expired', () => signToken({ sub: 'b', role: 'service', exp: inSeconds(-1) })],
  ];

  test.each(faults)('%s', async (_name, make) => {
    const token = await make();
    const { status, headers, body } = await server.api('GET', '/api/sessions', {
      ...(token !== null && { token }),
    });
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe('Bearer');
    const { request_id: _, ...rest } = body;
    expect(rest).toEqual({
      type: '/docs/errors#unauthorized',
      title: 'A valid identity is required',
      status: 401,
      code: 'unauthorized',
      detail: 'A valid identity is required',
      retryable: false,
    });
    const url = token === null ? server.socketUrl() : withToken(token);
    expect(await refusal(RawSocket.open(url))).toEqual({ status: 403, body: '' });
    if (token === null) return;
    const opening = RawSocket.open(server.socketUrl(), { protocols: subprotocols(token) });
    expect(await refusal(opening)).toEqual({ status: 403, body: '' });
  });

  test('other ways to bring a token are none (S3)', async () => {
    const { socketUrl, url } = server;
    for (const name of ['access_token', 'auth_token', 'jwt']) {
      expect(await refusal(RawSocket.open(`${socketUrl()}?${name}=${alice}`))).toMatchObject({ status: 403 });
    }
    expect((await fetch(`${url}/api/sessions?token=${alice}`)).status).toBe(401);
    const cookie = await fetch(`${url}/api/sessions`, { headers: { cookie: `token=${alice}` } });
    expect(cookie.status).toBe(401);
    const basic = { authorization: `Basic ${btoa(`alice:${alice}`)}` };
    expect((await fetch(`${url}/api/sessions`, { headers: basic })).status).toBe(401);
  });

  test('health is open to everybody', async () => {
    expect((await server.api('GET', '/health/live')).status).toBe(200);
    expect((await server.api('GET', '/health/ready', { token: 'bad' })).status).toBe(200);
  });
});

describe('expiry of an open socket', () => {
  test('each topic hears token_expired, then 4001; a message that comes later is not shown', async () => {
    const token = await signToken({ sub: 'user:alice', exp: inSeconds(3) });
    await using client = await SessionClient.open(withToken(token), sessionId);
    expect((await client.join()).status).toBe('ok');
    expect(await client.socket.closed).toEqual({ code: 4001, reason: 'token_expired' });
    const path = `/api/sessions/${sessionId}/messages`;
    const sent = await backend.api('POST', path, {
      body: { sender_id: 'user:bob', content: { text: 'late' } },
    });
    expect(sent.status).toBe(200);
    expect(client.socket.unread().map((frame) => frame[3])).toEqual(['token_expired']);
    expect(await refusal(RawSocket.open(withToken(token)))).toEqual({ status: 403, body: '' });
  });

  test('the service is closed too', async () => {
    const token = await signToken({ sub: 'backend', role: 'service', exp: inSeconds(3) });
    await using socket = await RawSocket.open(withToken(token));
    expect((await socket.closed).code).toBe(4001);
  });

  test('phoenix 1.8.16 comes back with a fresh authToken, and has missed nothing', async () => {
    const expiries = [3, 3_600];
    const tokens = await Promise.all(expiries.map((s) => signToken({ sub: 'user:bob', exp: inSeconds(s) })));
    let used = tokens[0]!;
    const id = await addGroup(backend, 'user:alice', 'user:bob');
    // The option may be a function, which @types/phoenix does not know.
    const authToken = (() => used) as unknown as string;
    const socket = phoenixClient('1.8.16', server.socketEndpoint, { authToken });
    const closes: number[] = [];
    socket.onClose((event) => {
      closes.push((event as CloseEvent).code);
    });
    const seen: number[] = [];
    let lastSeq = 0;
    const show = ({ seq }: { seq: number }) => {
      lastSeq = seq;
      seen.push(seq);
    };
    const channel = socket.channel(`session:${id}`, () => ({ last_seq: lastSeq }));
    channel.on('message', show);
    channel.on('token_expired', () => {
      used = tokens[1]!;
    });
    const joins: unknown[] = [];
    channel.join().receive('ok', ({ messages }) => {
      joins.push(1);
      messages.forEach(show);
    });
    const say = () =>
      backend.api('POST', `/api/sessions/${id}/messages`, {
        body: { sender_id: 'user:alice', content: { text: 'hi' } },
      });
    try {
      await waitUntil(() => joins.length === 1);
      while (joins.length < 2) expect((await say()).status).toBe(200);
      await say();
      const { body } = await backend.api('GET', `/api/sessions/${id}`);
      await waitUntil(() => lastSeq === body.session.last_seq);
      expect(seen).toEqual(Array.from({ length: lastSeq }, (_, n) => n + 1));
      expect(closes).toEqual([4001]);
      expect((await answerOf(channel.push('send', { content: { content: { text: 'I' } } }))).status).toBe(
        'ok',
      );
    } finally {
      await disconnectPhoenix(socket);
    }
  });
});

describe('keys from a JWKS', () => {
  let keys: IssuerKey[];
  let issuer: JwksServer;
  let guarded: TestServer;

  beforeAll(async () => {
    keys = await Promise.all(['RS256', 'ES256', 'EdDSA'].map((alg) => issuerKey(alg, alg)));
    issuer = await JwksServer.start(...keys);
    guarded = await startTestServer({ env: { FLEETLM_JWKS_URL: issuer.url, FLEETLM_JWT_ISSUER: 'idp' } });
  });
  afterAll(async () => {
    await guarded[Symbol.asyncDispose]();
    await issuer[Symbol.asyncDispose]();
  });

  test('while the issuer is down and there are no keys, clients are told to come again', async () => {
    issuer.answer = (response) => response.writeHead(500).end();
    const token = await signWith(keys[0]!, { sub: 'user:alice', iss: 'idp' });
    const { status, headers, body } = await guarded.api('GET', '/api/sessions', { token });
    expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'overloaded', '1']);
    expect(await refusal(RawSocket.open(withToken(token, guarded)))).toEqual({ status: 503, body: '' });
    issuer.answer = null;
    await waitUntil(async () => (await guarded.api('GET', '/api/sessions', { token })).status === 200, {
      timeoutMs: 10_000,
    });
  });

  test('participants and the service, by each algorithm', async () => {
    for (const key of keys) {
      const service = await signWith(key, { sub: 'backend', role: 'service', iss: 'idp' });
      const put = await guarded.api('PUT', '/api/participants/user:a', {
        token: service,
        body: { kind: 'user' },
      });
      expect(put.status).toBe(200);
      const token = await signWith(key, { sub: 'user:a', iss: 'idp' });
      await using socket = await RawSocket.open(guarded.socketUrl(), { protocols: subprotocols(token) });
      expect(await socket.settle()).toEqual([]);
    }
  });

  test('the secret’s tokens, another issuer’s, and the secret of the public key are refused', async () => {
    for (const token of [
      await signToken({ sub: 'user:a', iss: 'idp' }),
      await signWith(keys[0]!, { sub: 'user:a', iss: 'other' }),
      await signToken({ sub: 'user:a', iss: 'idp' }, { key: JSON.stringify(keys[0]!.publicJwk) }),
    ]) {
      expect((await guarded.api('GET', '/api/sessions', { token })).status).toBe(401);
    }
  });
});

test('nothing of a token was logged, by any of the tests above (S28)', () => {
  const reasons = logLines.filter(({ message }) => message === 'token refused');
  expect(reasons.length).toBeGreaterThan(10);
  expect(new Set(reasons.map(({ level }) => level))).toEqual(new Set(['debug']));
  // Each token begins with {" in base64.
  expect(JSON.stringify(logLines)).not.toMatch(/eyJ[\w-]{10}/);
});
