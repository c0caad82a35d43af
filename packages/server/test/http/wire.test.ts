import type { Socket } from 'node:net';
import { waitUntil } from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectProblem, type HttpFixture, startHttpFixture } from './http-fixture.ts';

let fixture: HttpFixture;

beforeAll(async () => {
  fixture = await startHttpFixture();
  await fixture.addParticipants('user:alice', 'user:bob');
});

afterAll(() => fixture[Symbol.asyncDispose]());

describe('paths', () => {
  test.each([
    ['GET', '/'],
    ['GET', '/api'],
    ['GET', '/api/nothing'],
    ['GET', '/api/sessions/'],
    ['GET', '/API/participants'],
    ['GET', '/health'],
    ['PUT', '/api/sessions'],
    ['DELETE', '/api/participants/user:alice'],
    ['POST', '/health/live'],
    ['PATCH', '/api/participants'],
  ])('%s %s: 404', async (method, path) => {
    const answer = await fixture.call(method, path, method === 'GET' ? {} : { body: {} });
    expect(answer.status).toBe(404);
    expect(['not_found', 'session_not_found']).toContain(answer.body.code);
  });

  test.each(['%', '%zz', '%E0%A4%A', '%C0%80'])('the malformed escape %s: 400', async (malformed) => {
    expectProblem(await fixture.get(`/api/participants/${malformed}`), 'bad_request');
  });

  test('a malformed escape in a query is text like any other', async () => {
    expect((await fixture.get('/api/participants?unknown=%E0%A4%A&__proto__[x]=1&a[b]=2')).status).toBe(200);
    expectProblem(await fixture.get('/api/participants?cursor=%E0%A4%A'), 'invalid_request');
  });

  test('HEAD is GET without a body', async () => {
    const answer = await fixture.call('HEAD', '/api/participants/user:alice');
    expect([answer.status, answer.body]).toEqual([200, undefined]);
  });

  test('phoenix case 11: the socket path without an upgrade is 400', async () => {
    const url = `${fixture.url}/socket/websocket?vsn=2.0.0`;
    const get = await fetch(url);
    expect([get.status, await get.text()]).toEqual([400, 'Connect with a WebSocket upgrade request.\n']);
    for (const type of ['text/plain', 'application/json']) {
      const post = await fetch(url, { method: 'POST', body: 'x', headers: { 'content-type': type } });
      expect([post.status, await post.text()]).toEqual([400, '']);
    }
  });

  test.each([
    ['OPTIONS *', 404],
    ['GET //api/participants', 404],
    ['GET http://localhost/health/live', 200],
    ['QUERY /api/participants', 400],
    ['PROPFIND /api/participants', 404],
    ['TRACE /api/participants', 404],
  ])('the odd request line %s: %i', async (line, status) => {
    const answer = await fixture.exchange(`${line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain('x-content-type-options: nosniff');
  });

  test('an upgrade that nobody takes is answered as if it were none', async () => {
    const headers = 'Host: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket';
    const answer = await fixture.exchange(`GET /socket/websocket HTTP/1.1\r\n${headers}\r\n\r\n`);
    expect(answer).toContain('HTTP/1.1 400 ');
  });
});

describe('request ids and the log', () => {
  test('a sane id is kept, any other replaced', async () => {
    const idOf = async (given: string) => {
      const { headers } = await fixture.call('GET', '/health/live', { headers: { 'x-request-id': given } });
      return headers.get('x-request-id');
    };
    expect(await idOf('trace-1/abc:2=')).toBe('trace-1/abc:2=');
    for (const odd of ['', 'a b', '<script>', 'x'.repeat(129)]) {
      expect(await idOf(odd)).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  test('one line per request, without query, body or token', async () => {
    const headers = { 'x-request-id': 'logged', authorization: 'Bearer secret-token' };
    const path = '/api/participants/user:alice';
    await fixture.call('PUT', `${path}?token=secret-query`, {
      headers,
      body: { display_name: 'secret-body' },
    });
    const lines = await waitUntil(() => {
      const found = fixture.logLines.filter(({ fields }) => fields['request_id'] === 'logged');
      return found.length > 0 && found;
    });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level: 'debug', message: 'request' });
    expect(lines[0]!.fields).toMatchObject({ method: 'PUT', path, status: 200, is_answered: true });
    expect(JSON.stringify(fixture.logLines)).not.toContain('secret');
  });
});

describe('what is no HTTP', () => {
  test.each([
    ['no request line', 'NONSENSE\r\n\r\n'],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['a header without a name', 'GET /health/live HTTP/1.1\r\n: x\r\n\r\n'],
    [
      'two lengths',
      'POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}',
    ],
    [
      'a length and chunks',
      'POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}',
    ],
    ['a bad chunk', `${postHead('Transfer-Encoding: chunked')}zz\r\n`],
    ['huge headers', `GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('%s: 400, and others go on', async (_name, text) => {
    const other = fixture.connect();
    other.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await other.until('{"status":"live"}');
    const answer = await fixture.exchange(text);
    expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
    expect(answer).toContain('application/problem+json');
    expect(JSON.parse(answer.split('\r\n\r\n')[1]!)).toMatchObject({ code: 'bad_request', status: 400 });
    other.write('GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    await other.until('{"status":"ready"}');
    await other.closed;
  });

  test('no Host: 400', async () => {
    expect(await fixture.exchange('GET /health/live HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
  });

  test('a body that is cut off stores nothing, and is no error of ours', async () => {
    const before = await fixture.stored();
    const connection = fixture.connect();
    connection.write(`${postHead('Content-Length: 100')}{"initiator_id":"user:alice"`);
    connection.socket.end();
    await connection.closed;
    const cut = () => fixture.logLines.some(({ fields }) => fields['is_answered'] === false);
    await waitUntil(cut);
    expect(await fixture.stored()).toEqual(before);
    expect(fixture.logLines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('pipelined requests are answered in order', async () => {
    const one = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
    const answer = await fixture.exchange(
      one('/api/participants/user:alice') + one('/health/live') + one('/nope', 'Connection: close\r\n'),
    );
    const parts = ['"user:alice"', '{"status":"live"}', '"not_found"'].map((text) => answer.indexOf(text));
    expect(parts).toEqual(parts.toSorted((a, b) => a - b));
    expect(parts).not.toContain(-1);
  });

  test('garbage behind a call that is being served gets no answer that could be taken for its own', async () => {
    const gate = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    await using gated = await startHttpFixture({
      authenticate: async (credentials, usual) => {
        arrived.resolve();
        await gate.promise;
        return usual.authenticate(credentials);
      },
    });
    const connection = gated.connect();
    connection.write('PUT /api/participants/user:x HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await arrived.promise;
    connection.write('NONSENSE\r\n\r\n');
    await connection.closed;
    expect(connection.received).toBe('');
    gate.resolve();
  });
});

describe('who is slow', () => {
  test.each([
    ['says nothing', ''],
    ['sends no whole headers', 'POST /api/sessions HTTP/1.1\r\nHost: local'],
    ['sends no whole body', `${postHead('Content-Length: 100')}{"initiator_id":`],
    ['sends no end of its chunks', `${postHead('Transfer-Encoding: chunked')}2\r\n{}\r\n`],
  ])('S20: a client that %s is refused in time, and nothing is stored', async (_name, text) => {
    const timeouts = { headersMs: 100, requestMs: 150, checkIntervalMs: 20 };
    await using slow = await startHttpFixture({ timeouts });
    const before = await slow.stored();
    const answer = await slow.exchange(text);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).toContain('The request took too long to arrive');
    expect(await slow.stored()).toEqual(before);
    expect((await slow.get('/health/live')).status).toBe(200);
  });

  test('a client that does not read its replies is cut', async () => {
    await using slow = await startHttpFixture({ timeouts: { stallMs: 200 } });
    const metadata = { text: 'x'.repeat(30_000) };
    await slow.call('PUT', '/api/participants/user:big', { body: { metadata } });
    const accepted = Promise.withResolvers<Socket>();
    slow.server.server.once('connection', accepted.resolve);
    const connection = slow.connect();
    connection.socket.pause();
    // More than the kernel takes for it.
    const request = 'GET /api/participants/user:big HTTP/1.1\r\nHost: localhost\r\n\r\n';
    connection.write(request.repeat(1_400));
    const socket = await accepted.promise;
    await waitUntil(() => socket.destroyed, { what: 'the cut' });
    connection.destroy();
  });
});

function postHead(length: string): string {
  return `POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${length}\r\n\r\n`;
}
