import { messageSchema, sessionSchema } from '@fleetlm/protocol';
import { RawHttpServer, type RawRequest } from '@fleetlm/testkit';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { EndpointFixture } from './endpoints/endpoint-fixture.ts';

const names: Record<string, readonly string[]> = {};
let fixture: EndpointFixture;
let agent: RawHttpServer;

beforeAll(async () => {
  agent = await RawHttpServer.start();
  const resolveHost = async (host: string) => {
    if (!names[host]) throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
    return names[host];
  };
  fixture = await EndpointFixture.start({ overrides: { resolveHost } });
});
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
});
beforeEach(() => {
  agent.requests.length = 0;
  answerWith('200 OK', 'text/plain', 'Hello');
});

function answerWith(status: string, contentType: string, body: string): void {
  agent.answer = (socket) => {
    const length = Buffer.byteLength(body);
    socket.end(
      `HTTP/1.1 ${status}\r\ncontent-type: ${contentType}\r\ncontent-length: ${length}\r\n\r\n${body}`,
    );
  };
}

function headersOf({ head }: RawRequest): Record<string, string> {
  const lines = head.split('\r\n').slice(1);
  return Object.fromEntries(
    lines.map((line) => [line.split(':', 1)[0]!.toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );
}

/** Whether the official package takes the newest call for one that the owner of this secret sent. */
function isSignedWith(secret: string): boolean {
  const request = agent.requests.at(-1)!;
  try {
    new Webhook(secret).verify(request.body, headersOf(request));
    return true;
  } catch {
    return false;
  }
}

describe('POST /api/agents/:id/endpoint/test', () => {
  test('calls the endpoint with a sample of a turn', async () => {
    const headers = { 'X-Tenant': 'acme' };
    const id = await fixture.newEndpoint({ origin_url: agent.url('/turns?a=1'), headers });
    expect(await fixture.test(id)).toEqual({
      ok: true,
      http_status: 200,
      latency_ms: expect.any(Number),
      first_chunk_ms: expect.any(Number),
      content_type: 'text/plain',
      chunks: 5,
      text: 'Hello',
      error_reason: null,
      response_excerpt: 'Hello',
    });
    const [request] = agent.requests;
    expect(request!.head).toMatch(/^POST \/turns\?a=1 HTTP\/1.1\r\n/);
    expect(headersOf(request!)).toMatchObject({ 'content-type': 'application/json', 'x-tenant': 'acme' });
    const { type, data } = JSON.parse(request!.body.toString());
    expect([type, data.test, data.agent_id, data.new_from_seq]).toEqual(['turn.requested', true, id, 1]);
    expect(headersOf(request!)['webhook-id']).toBe(data.turn_id);
    expect(sessionSchema.strict().parse(data.session)).toMatchObject({ agent_id: id });
    expect(data.messages.map((message: unknown) => messageSchema.strict().parse(message).seq)).toEqual([1]);
    expect(await fixture.query('select from agent_turns union all select from agent_delivery_logs')).toEqual(
      [],
    );
  });

  test.each([
    [
      'chunks',
      'text/event-stream',
      'data: {"type":"start"}\n\ndata: {"type":"text-start","id":"1"}\n\ndata: {"type":"text-delta","id":"1","delta":"Hi"}\n\ndata: {"type":"text-end","id":"1"}\n\ndata: {"type":"finish"}\n\n',
      { chunks: 5, text: 'Hi' },
    ],
    [
      'messages',
      'application/json',
      '{"messages":[{"content":{"text":"One"}},{"content":{"text":"Two"}}]}',
      { chunks: 0, text: 'One\nTwo' },
    ],
  ])('understands %s', async (_name, type, body, expected) => {
    answerWith('200 OK', type, body);
    const id = await fixture.newEndpoint({ origin_url: agent.url() });
    expect(await fixture.test(id)).toMatchObject({ ok: true, content_type: type, ...expected });
  });

  test('an agent that takes note and says nothing is fine', async () => {
    agent.answer = (socket) => socket.end('HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n');
    const id = await fixture.newEndpoint({ origin_url: agent.url() });
    expect(await fixture.test(id)).toMatchObject({
      ok: true,
      http_status: 202,
      first_chunk_ms: null,
      chunks: 0,
    });
  });

  test.each([
    ['404 Not Found', 'text/plain', 'no such page', 404, /^refused: answered 404/],
    ['503 Busy', 'text/plain', 'later', 503, /^server_error: /],
    ['200 OK', 'text/html', '<h1>Hi</h1>', 200, /^unknown_content_type: text\/html/],
    [
      '200 OK',
      'application/x-ndjson',
      '{"type":"error","errorText":"no credit"}\n',
      200,
      /^error chunk: no credit/,
    ],
  ])('%s with %s %j is not', async (status, type, body, httpStatus, reason) => {
    answerWith(status, type, body);
    const id = await fixture.newEndpoint({ origin_url: agent.url() });
    expect(await fixture.test(id)).toMatchObject({
      ok: false,
      http_status: httpStatus,
      error_reason: expect.stringMatching(reason),
      response_excerpt: body.trim(),
    });
  });

  test('who says nothing is not waited for longer than timeout_ms', async () => {
    agent.answer = () => {};
    const id = await fixture.newEndpoint({ origin_url: agent.url(), timeout_ms: 100 });
    const { ok, error_reason: reason } = await fixture.test(id);
    expect([ok, reason]).toEqual([false, expect.stringMatching(/^first_chunk_timeout: /)]);
    expect(agent.requests).toHaveLength(1);
  });

  test('an endpoint that is disabled may be tried', async () => {
    const id = await fixture.newEndpoint({ origin_url: agent.url(), status: 'disabled' });
    expect(await fixture.test(id)).toMatchObject({ ok: true });
  });

  test.each([
    [['10.0.0.1'], 'private'],
    [['1.1.1.1', '169.254.169.254'], 'metadata'],
    [['fd00::1'], 'private'],
    [['::ffff:10.0.0.1'], 'embedded_ipv4'],
  ])('a name that DNS leads to %j is not called (S22)', async (addresses, refusal) => {
    names['agent.test'] = addresses;
    const id = await fixture.newEndpoint({ origin_url: 'https://agent.test/' });
    const { ok, error_reason: reason } = await fixture.test(id);
    expect([ok, reason]).toEqual([false, expect.stringMatching(`^address_not_allowed: .*: ${refusal}$`)]);
  });
});

describe('who calls can be told (S24)', () => {
  test('by the secret that was shown once', async () => {
    const id = await fixture.newAgent();
    const { body } = await fixture.put(id, { origin_url: agent.url() });
    await fixture.test(id);
    expect(isSignedWith(body.endpoint.signing_secret)).toBe(true);
  });

  test('after a rotation by the new secret and, for a day, by the old one', async () => {
    const id = await fixture.newAgent();
    const rotate = async () => (await fixture.call('POST', id, '/endpoint/rotate-secret')).body.endpoint;
    const oldest = (await fixture.put(id, { origin_url: agent.url() })).body.endpoint;
    const old = await rotate();
    await fixture.test(id);
    expect([oldest, old].map(({ signing_secret: secret }) => isSignedWith(secret))).toEqual([true, true]);
    expect(Date.parse(old.previous_secret_until) - Date.parse(old.updated_at)).toBe(24 * 3_600_000);
    const newest = await rotate();
    await fixture.test(id);
    const all = () => [oldest, old, newest].map(({ signing_secret: secret }) => isSignedWith(secret));
    expect(all()).toEqual([false, true, true]);
    // A day later.
    await fixture.query('update agent_endpoints set previous_secret_until = now() where agent_id = $1', [id]);
    await fixture.test(id);
    expect(all()).toEqual([false, false, true]);
  });

  test('with hmac by the operator’s own key alone', async () => {
    const auth_value = 'a-key-of-the-operators-own-choice';
    const id = await fixture.newAgent();
    const { body } = await fixture.put(id, { origin_url: agent.url(), auth_strategy: 'hmac', auth_value });
    await fixture.test(id);
    expect(isSignedWith(`whsec_${Buffer.from(auth_value).toString('base64')}`)).toBe(true);
    expect(isSignedWith(body.endpoint.signing_secret)).toBe(false);
  });

  test('with bearer by the token, too', async () => {
    const auth = { auth_strategy: 'bearer', auth_value: 'a-token' };
    const id = await fixture.newAgent();
    const { body } = await fixture.put(id, { origin_url: agent.url(), ...auth });
    await fixture.test(id);
    expect(headersOf(agent.requests[0]!)['authorization']).toBe('Bearer a-token');
    expect(isSignedWith(body.endpoint.signing_secret)).toBe(true);
  });
});
