import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { endpointReplySchema } from '@fleetlm/protocol';
import { type ApiAnswer, waitUntil } from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EndpointFixture } from './endpoint-fixture.ts';

const origin = 'http://127.0.0.1:9/turns';
let fixture: EndpointFixture;
const logged: unknown[] = [];
const record = (fields: object, message: string) => logged.push([fields, message]);
const recordingLog = { debug: record, info: record, warn: record, error: record };

beforeAll(async () => {
  fixture = await EndpointFixture.start({ overrides: { log: recordingLog } });
});
afterAll(() => fixture[Symbol.asyncDispose]());

async function stored(id: string) {
  const [row] = await fixture.query('select * from agent_endpoints where agent_id = $1', [id]);
  return row;
}

function expectField({ status, body }: ApiAnswer, field: string, problem: RegExp): void {
  expect([status, body.code], JSON.stringify(body)).toEqual([422, 'invalid_request']);
  expect(Object.keys(body.errors)).toEqual([field]);
  expect(body.errors[field].join()).toMatch(problem);
}

describe('PUT /api/agents/:id/endpoint', () => {
  test('makes an endpoint, with defaults, and shows its signing secret this once (S24)', async () => {
    const id = await fixture.newAgent();
    const { status, body } = await fixture.put(id, { origin_url: origin });
    expect(status).toBe(200);
    const { signing_secret: secret, ...endpoint } = endpointReplySchema.strict().parse(body).endpoint;
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(endpoint).toMatchObject({
      agent_id: id,
      origin_url: origin,
      auth_strategy: 'none',
      headers: {},
      timeout_ms: 30_000,
      idle_timeout_ms: 30_000,
      max_duration_ms: 300_000,
      retry_policy: { max_attempts: 4, backoff_ms: [1_000, 5_000, 15_000] },
      history_mode: 'tail',
      history_limit: 20,
      debounce_ms: 0,
      when_busy: 'queue',
      status: 'enabled',
      previous_secret_until: null,
    });
    expect((await fixture.get(id)).body).toEqual({ endpoint });
    expect((await fixture.put(id, {})).body.endpoint).not.toHaveProperty('signing_secret');
    expect((await stored(id))?.['signing_secret']).toBe(secret);
  });

  test('sets every field, and changes only those that are given', async () => {
    const all = {
      origin_url: 'https://agent.example/turns?tenant=1',
      auth_strategy: 'bearer',
      headers: { 'X-Tenant': 'acme' },
      timeout_ms: 100,
      idle_timeout_ms: 600_000,
      max_duration_ms: 3_600_000,
      retry_policy: { max_attempts: 20, backoff_ms: [0] },
      history_mode: 'entire',
      history_limit: 200,
      debounce_ms: 60_000,
      when_busy: 'interrupt',
      status: 'disabled',
    };
    const id = await fixture.newEndpoint({ ...all, auth_value: 'a-token', unknown: 1 });
    const { body } = await fixture.get(id);
    expect(body.endpoint).toMatchObject(all);
    const changed = await fixture.put(id, {
      retry_policy: { max_attempts: 2 },
      history_mode: 'last',
      headers: null,
    });
    expect(changed.body.endpoint).toEqual({
      ...body.endpoint,
      retry_policy: { max_attempts: 2, backoff_ms: [0] },
      history_mode: 'last',
      updated_at: changed.body.endpoint.updated_at,
    });
    expect(changed.body.endpoint.updated_at > body.endpoint.updated_at).toBe(true);
  });

  test('two that make one at once make one: the secret that is shown is the one that signs', async () => {
    const id = await fixture.newAgent();
    // Both find none and wait at its key, for one that is never committed.
    const holder = new Client(fixture.server.database.target);
    await holder.connect();
    await holder.query(`begin; insert into agent_endpoints
      (agent_id, origin_url, timeout_ms, idle_timeout_ms, max_duration_ms, max_attempts, backoff_ms, history_mode, history_limit, signing_secret)
      values ('${id}', 'x', 1, 1, 1, 1, '{}', 'last', 1, 'x')`);
    const puts = Promise.all([1, 2].map(() => fixture.put(id, { origin_url: origin })));
    const waiting = `select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query like 'insert into "agent_endpoints"%'`;
    await waitUntil(async () => (await fixture.query(waiting)).length === 2, { what: 'both to wait' });
    await holder.query('rollback');
    await holder.end();
    const answers = await puts;
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const secrets = answers.map(({ body }) => body.endpoint.signing_secret).filter(Boolean);
    expect(secrets).toEqual([(await stored(id))?.['signing_secret']]);
  });

  test('is for agents only', async () => {
    await fixture.server.api('PUT', '/api/participants/user:someone', { body: {} });
    expectField(
      await fixture.put('user:someone', { origin_url: origin }),
      'id',
      /only participants of kind agent/,
    );
    for (const method of ['GET', 'DELETE']) {
      const { status, body } = await fixture.call(method, 'user:someone', '/endpoint');
      expect([status, body.code]).toEqual([404, 'endpoint_not_found']);
    }
    for (const method of ['PUT', 'GET', 'DELETE']) {
      const body = method === 'PUT' ? { origin_url: origin } : undefined;
      const ghost = await fixture.call(method, 'agent:ghost', '/endpoint', body);
      expect([ghost.status, ghost.body.code]).toEqual([404, 'participant_not_found']);
    }
  });

  test('what an agent has left is seen, and taken away, when it is one no longer', async () => {
    const id = await fixture.newEndpoint({ origin_url: origin });
    await fixture.server.api('PUT', `/api/participants/${id}`, { body: { kind: 'user' } });
    expect((await fixture.get(id)).body.endpoint).toMatchObject({ agent_id: id, origin_url: origin });
    for (const list of ['turns', 'deliveries']) {
      const { status, body } = await fixture.call('GET', id, `/${list}`);
      expect([status, body[list]]).toEqual([200, []]);
    }
    expectField(await fixture.put(id, { debounce_ms: 5 }), 'id', /only participants of kind agent/);
    expect((await fixture.call('DELETE', id, '/endpoint')).status).toBe(200);
    expect((await fixture.get(id)).body.code).toBe('endpoint_not_found');
  });
});

describe('what is no endpoint is refused, and nothing is stored', () => {
  const integers = [0.5, '100', true];
  const cases: [field: string, values: readonly unknown[], problem: RegExp, alone?: string][] = [
    ['origin_url', [7, {}], /must be a URL/],
    ['auth_strategy', ['basic', 1], /must be one of none, bearer, hmac/],
    ['auth_value', [7, {}], /must be a text/],
    ['headers', ['x', []], /must be an object of texts/],
    ['headers', [{ 'a b': 'x' }], /has a name that no header can have/],
    ['headers', [{ Host: 'x' }, { 'webhook-id': 'x' }, { 'Content-Length': '1' }], /must not set/],
    ['headers', [{ 'x-a': 'a\r\nb: c' }, { 'x-a': 'grün' }], /printable ASCII/],
    ['headers', [{ 'x-a': '1', 'X-A': '2' }], /twice/],
    ['timeout_ms', [99, 600_001, ...integers], /must be an integer from 100 to 600000/],
    ['idle_timeout_ms', [99, 600_001, ...integers], /must be an integer from 100 to 600000/],
    ['max_duration_ms', [99, 3_600_001, ...integers], /must be an integer from 100 to 3600000/],
    ['retry_policy', ['never', []], /must be a JSON object/],
    ['history_mode', ['all'], /must be one of tail, last, entire/],
    ['history_limit', [0, 201, ...integers], /must be an integer from 1 to 200/],
    ['debounce_ms', [-1, 60_001, ...integers], /must be an integer from 0 to 60000/],
    ['when_busy', ['drop'], /must be one of queue, interrupt/],
    ['status', ['paused'], /must be one of enabled, disabled/],
  ];

  test('a number beyond all integers is told once', async () => {
    const { body } = await fixture.put(await fixture.newAgent(), { timeout_ms: 1e99 });
    expect(body.errors).toEqual({ timeout_ms: ['must be an integer from 100 to 600000'] });
  });

  test.each(cases)('%s %j', async (field, values, problem) => {
    const id = await fixture.newAgent();
    for (const value of values) {
      expectField(await fixture.put(id, { origin_url: origin, [field]: value }), field, problem);
    }
    expect(await stored(id)).toBeUndefined();
  });

  test.each([
    ['max_attempts', [0, 21, ...integers], 'retry_policy.max_attempts', /must be an integer from 1 to 20/],
    ['backoff_ms', [[]], 'retry_policy.backoff_ms', /must hold at least one/],
    ['backoff_ms', [Array(21).fill(1)], 'retry_policy.backoff_ms', /must hold at most 20/],
    [
      'backoff_ms',
      [[-1], [3_600_001], ['1']],
      'retry_policy.backoff_ms.0',
      /must be an integer from 0 to 3600000/,
    ],
  ] as const)('retry_policy.%s %j', async (part, values, field, problem) => {
    const id = await fixture.newAgent();
    for (const value of values) {
      expectField(
        await fixture.put(id, { origin_url: origin, retry_policy: { [part]: value } }),
        field,
        problem,
      );
    }
    expect(await stored(id)).toBeUndefined();
  });

  test('none without an origin_url', async () => {
    expectField(await fixture.put(await fixture.newAgent(), {}), 'origin_url', /is required/);
  });

  test('more headers, or larger ones, than a server takes', async () => {
    const id = await fixture.newAgent();
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`x-${index}`, '']));
    const large = { 'x-large': 'x'.repeat(8 << 10) };
    for (const headers of [many, large]) {
      expectField(await fixture.put(id, { origin_url: origin, headers }), 'headers', /must be at most/);
    }
  });
});

describe('authorization of calls (S24)', () => {
  const bearer = { auth_strategy: 'bearer', auth_value: 'hush-bearer' };
  const hmac = { auth_strategy: 'hmac', auth_value: 'hush-hmac-0123456789-0123456789' };

  test.each([bearer, hmac])('an auth_value for $auth_strategy is stored, and never shown', async (auth) => {
    const id = await fixture.newAgent();
    const answers = [
      await fixture.put(id, { origin_url: origin, ...auth }),
      await fixture.put(id, auth),
      await fixture.get(id),
      await fixture.call('POST', id, '/endpoint/rotate-secret'),
      await fixture.call('POST', id, '/endpoint/test'),
    ];
    expect((await stored(id))?.['auth_value']).toBe(auth.auth_value);
    answers.push(await fixture.call('DELETE', id, '/endpoint'));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(JSON.stringify(answers.map(({ body }) => body))).not.toContain('hush');
    // S28: nor does the log tell.
    expect(inspect(logged, { depth: 20, maxStringLength: null })).not.toMatch(/hush|whsec_/);
  });

  test('is taken away with auth_strategy none', async () => {
    const id = await fixture.newEndpoint({ origin_url: origin, ...bearer });
    expect((await fixture.put(id, { auth_strategy: 'none' })).body.endpoint.auth_strategy).toBe('none');
    expect((await stored(id))?.['auth_value']).toBeNull();
  });

  test.each([
    ['a token with a space', { auth_strategy: 'bearer', auth_value: 'a b' }, /printable ASCII/],
    ['a token with a line', { auth_strategy: 'bearer', auth_value: 'a\nb' }, /printable ASCII/],
    ['no token', { auth_strategy: 'bearer', auth_value: '' }, /printable ASCII/],
    ['a token that no server takes', { auth_strategy: 'bearer', auth_value: 'x'.repeat(4_097) }, /1 to 4096/],
    ['a key that is too short', { auth_strategy: 'hmac', auth_value: 'x'.repeat(23) }, /24 to 64 bytes/],
    ['a key that is too long', { auth_strategy: 'hmac', auth_value: 'x'.repeat(65) }, /24 to 64 bytes/],
    ['a key that is no base64', { auth_strategy: 'hmac', auth_value: 'whsec_!' }, /base64/],
    ['a strategy without its value', { auth_strategy: 'hmac' }, /is required for auth_strategy hmac/],
    ['a value for none', { auth_value: 'x' }, /must be left out/],
  ])('%s is refused', async (_name, auth, problem) => {
    const id = await fixture.newAgent();
    expectField(await fixture.put(id, { origin_url: origin, ...auth }), 'auth_value', problem);
    expect(await stored(id)).toBeUndefined();
  });

  test('a key may be given as whsec_ and base64', async () => {
    const auth_value = `whsec_${randomBytes(32).toString('base64')}`;
    await fixture.newEndpoint({ origin_url: origin, auth_strategy: 'hmac', auth_value });
  });

  test('a token becomes no key: another strategy needs a value of its own', async () => {
    const id = await fixture.newEndpoint({ origin_url: origin, ...bearer });
    expectField(await fixture.put(id, { auth_strategy: 'hmac' }), 'auth_value', /is required/);
    expect((await stored(id))?.['auth_strategy']).toBe('bearer');
  });

  test('a header of its own stands against bearer, whichever comes first', async () => {
    const headers = { Authorization: 'Basic eDp5' };
    const first = await fixture.newEndpoint({ origin_url: origin, headers });
    expectField(await fixture.put(first, bearer), 'headers', /must not set authorization/);
    const second = await fixture.newEndpoint({ origin_url: origin, ...bearer });
    expectField(await fixture.put(second, { headers }), 'headers', /must not set authorization/);
  });
});

describe('DELETE /api/agents/:id/endpoint', () => {
  test('takes it away; the next one has another secret', async () => {
    const id = await fixture.newEndpoint({ origin_url: origin });
    const before = await stored(id);
    expect((await fixture.call('DELETE', id, '/endpoint')).body.endpoint.agent_id).toBe(id);
    for (const [method, path] of [
      ['GET', '/endpoint'],
      ['DELETE', '/endpoint'],
      ['POST', '/endpoint/test'],
      ['POST', '/endpoint/rotate-secret'],
    ] as const) {
      const { status, body } = await fixture.call(method, id, path);
      expect([status, body.code], path).toEqual([404, 'endpoint_not_found']);
    }
    const { body } = await fixture.put(id, { origin_url: origin });
    expect(body.endpoint.signing_secret).not.toBe(before?.['signing_secret']);
  });
});

describe('an agent that joined sessions as something else', () => {
  test('is woken there once it has an endpoint', async () => {
    const { server } = fixture;
    for (const id of ['user:late', 'user:peer'])
      await server.api('PUT', `/api/participants/${id}`, { body: {} });
    // More than one batch of them, and one that names another agent already.
    await fixture.query(`
      insert into chat_sessions (id, kind, initiator_id, agent_ids)
        select 'late-' || i, 'group', 'user:peer', case when i = 7 then array['agent:other'] end from generate_series(1, 450) i;
      insert into session_members (session_id, participant_id, role, left_at)
        select 'late-' || i, 'user:late', 'member', case when i = 9 then now() end from generate_series(1, 450) i`);
    await server.api('PUT', '/api/participants/user:late', { body: { kind: 'agent' } });
    for (const _ of ['made', 'changed']) {
      expect((await fixture.put('user:late', { origin_url: origin })).status).toBe(200);
    }
    const rows = await fixture.query(
      `select agent_ids::text as agents, count(*)::integer as sessions from chat_sessions
       where id like 'late-%' group by 1 order by 1`,
    );
    expect(rows).toEqual([
      { agents: '{agent:other,user:late}', sessions: 1 },
      { agents: '{user:late}', sessions: 448 },
      { agents: null, sessions: 1 },
    ]);
  });
});
