import {
  addGroup,
  addParticipants,
  ChannelClient,
  InboxClient,
  quietLog,
  RawSocket,
  signToken,
  startTestServer,
  type TestServer,
  testSecret,
  waitUntil,
} from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/config.ts';
import { Server } from '../../src/server.ts';
import { startHttpFixture } from './http-fixture.ts';

/** Series by name and labels, as in `fleetlm_joins_total{topic_group="session",result="ok"}`. */
type Series = ReadonlyMap<string, number>;

/** Rates of their own for messages: four in one go, and one a second. */
const env = { FLEETLM_JWT_SECRET: testSecret, FLEETLM_RATE_MESSAGES: '1' };

let server: TestServer;
let backend: Pick<TestServer, 'api'>;
let sessionId: string;
let tokens: { readonly service: string; readonly alice: string };

beforeAll(async () => {
  server = await startTestServer({ env });
  const [service, alice] = await Promise.all([
    signToken({ sub: 'backend', role: 'service' }),
    signToken({ sub: 'user:alice' }),
  ]);
  tokens = { service, alice };
  backend = { api: (method, path, options) => server.api(method, path, { token: service, ...options }) };
  await addParticipants(backend, 'user:alice', 'user:bob', 'user:carol');
  sessionId = await addGroup(backend, 'user:alice', 'user:bob');
});
afterAll(() => server[Symbol.asyncDispose]());

async function scrape(): Promise<Series> {
  const { status, body } = await backend.api('GET', '/metrics');
  expect(status).toBe(200);
  return parse(body);
}

function parse(text: string): Series {
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    samples.map((line) => {
      const [, series, value] = line.match(/^(\S+(?:\{.*\})?) (\S+)$/)!;
      return [series!, Number(value)];
    }),
  );
}

/** By how much these series have grown while `act` ran; those that stood still are left out. */
async function growth(act: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await scrape();
  await act();
  await waitUntil(() => server.server.counts.connections === 0);
  const after = await scrape();
  const grown = [...after].map(([name, value]) => [name, value - (before.get(name) ?? 0)] as const);
  return Object.fromEntries(grown.filter(([, by]) => by > 0));
}

function connect(token: string): Promise<ChannelClient> {
  return ChannelClient.open(`${server.socketUrl()}?token=${token}`);
}

function send(client: ChannelClient, more: object = {}) {
  const content = { content: { text: 'hello' } };
  return client.push(`session:${sessionId}`, 'send', { content, ...more });
}

describe('GET /metrics on the main port', () => {
  test('is for the service alone', async () => {
    const answer = await backend.api('GET', '/metrics');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const refused = [
      await server.api('GET', '/metrics', { token: tokens.alice }),
      await server.api('GET', '/metrics'),
      await server.api('GET', '/metrics', { token: 'bad' }),
    ];
    expect(refused.map(({ status, body }) => [status, body.code])).toEqual([
      [403, 'forbidden'],
      [401, 'unauthorized'],
      [401, 'unauthorized'],
    ]);
  });

  test('without authentication is open, for loopback names, and also while the node is full', async () => {
    await using fixture = await startHttpFixture();
    fixture.load.isFull = true;
    const get = (headers: Record<string, string>) => fetch(`${fixture.url}/metrics`, { headers });
    expect((await get({})).status).toBe(200);
    expect((await get({ 'x-participant-id': 'user:alice' })).status).toBe(403);
    const foreign = await fixture.exchange(
      'GET /metrics HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n',
    );
    expect(foreign).toMatch(/^HTTP\/1.1 403 /);
    await fixture.get('/api/sessions');
    const { body } = await get({}).then(async (answer) => ({ body: await answer.text() }));
    expect(parse(body).get('fleetlm_load_shed_total{what="request"}')).toBe(1);
  });
});

describe('what is told', () => {
  test("has the original's names, those of the process, and the version", async () => {
    const names = new Set([...(await scrape()).keys()].map((series) => series.split('{')[0]));
    expect([...names]).toEqual(
      expect.arrayContaining([
        'fleetlm_session_append_duration_bucket',
        'fleetlm_session_append_total',
        'fleetlm_session_fanout_duration_bucket',
        'fleetlm_session_queue_length_bucket',
        'fleetlm_cache_hit_duration_bucket',
        'fleetlm_cache_miss_duration_bucket',
        'fleetlm_cache_hits_total',
        'fleetlm_cache_misses_total',
        'fleetlm_pubsub_broadcast_duration_bucket',
        'fleetlm_pubsub_broadcast_total',
        'fleetlm_chat_messages_sent_total',
        'fleetlm_chat_conversations_active_count',
        'fleetlm_chat_inboxes_active_count',
        'fleetlm_build_info',
        'process_cpu_seconds_total',
        'process_resident_memory_bytes',
        'nodejs_eventloop_lag_p99_seconds',
      ]),
    );
  });

  test('a join, messages, and their end', async () => {
    const grown = await growth(async () => {
      await using client = await connect(tokens.service);
      expect((await client.join(`session:${sessionId}`)).status).toBe('ok');
      const message = { sender_id: 'user:bob', client_id: 'once' };
      const statuses = [
        await send(client, message),
        await send(client, message),
        await send(client, { sender_id: 'user:carol' }),
      ].map(({ status, response }) => response.reason ?? status);
      expect(statuses).toEqual(['ok', 'ok', 'not_a_member']);
      expect((await client.join('session:none')).status).toBe('error');
      expect((await client.join('room:lobby')).status).toBe('error');
      const open = await scrape();
      expect(open.get('fleetlm_connections_open')).toBe(1);
      expect(open.get('fleetlm_topics_joined')).toBe(1);
      expect(open.get('fleetlm_chat_conversations_active_count')).toBe(1);
    });
    expect(grown).toMatchObject({
      'fleetlm_session_append_total{status="ok"}': 1,
      'fleetlm_session_append_total{status="duplicate"}': 1,
      'fleetlm_session_append_total{status="refused"}': 1,
      'fleetlm_session_append_duration_count{status="ok"}': 1,
      fleetlm_session_queue_length_count: 3,
      fleetlm_append_batch_rows_sum: 3,
      fleetlm_append_commit_duration_seconds_count: 3,
      'fleetlm_chat_messages_sent_total{role="text"}': 1,
      'fleetlm_session_fanout_duration_count{type="session"}': 1,
      'fleetlm_pubsub_broadcast_total{topic_group="session"}': 1,
      'fleetlm_pubsub_broadcast_duration_count{topic_group="session"}': 1,
      'fleetlm_cache_misses_total{cache="session_kept"}': 1,
      'fleetlm_cache_hits_total{cache="session_tail"}': 1,
      'fleetlm_handshakes_total{status="101"}': 1,
      'fleetlm_joins_total{topic_group="session",result="ok"}': 1,
      'fleetlm_joins_total{topic_group="session",result="session_not_found"}': 1,
      'fleetlm_joins_total{topic_group="other",result="unmatched"}': 1,
      fleetlm_frames_received_total: 6,
      'fleetlm_connections_closed_total{by="client",code="1006"}': 1,
    });
    // It is on loopback: what takes longer is counted in another unit.
    expect(grown['fleetlm_session_append_duration_sum{status="ok"}']).toBeGreaterThan(0.01);
    expect(grown['fleetlm_session_append_duration_sum{status="ok"}']).toBeLessThan(8_000);
  });

  test('an inbox, and what is told to it', async () => {
    const grown = await growth(async () => {
      await using inbox = await InboxClient.follow(
        `${server.socketUrl()}?token=${tokens.alice}`,
        'user:alice',
      );
      expect((await scrape()).get('fleetlm_chat_inboxes_active_count')).toBe(1);
      const body = { sender_id: 'user:bob', content: { text: 'hello' } };
      await backend.api('POST', `/api/sessions/${sessionId}/messages`, { body });
      await waitUntil(() => inbox.updates.length > 0);
    });
    expect(grown).toMatchObject({
      'fleetlm_joins_total{topic_group="inbox",result="ok"}': 1,
      'fleetlm_cache_misses_total{cache="inbox_view"}': 1,
      'fleetlm_pubsub_broadcast_total{topic_group="inbox"}': 1,
      'fleetlm_session_fanout_duration_count{type="inbox"}': 1,
      'fleetlm_http_requests_total{method="POST",route="/api/sessions/:id/messages",status="200"}': 1,
      'fleetlm_http_request_duration_seconds_count{method="POST",route="/api/sessions/:id/messages"}': 1,
    });
  });

  test('refusals: of paths, identities, frames and rates', async () => {
    const grown = await growth(async () => {
      await backend.api('GET', '/api/nowhere/user:alice');
      await RawSocket.open(`${server.socketUrl()}?token=bad`).catch(() => {});
      await using broken = await RawSocket.open(`${server.socketUrl()}?token=${tokens.alice}`);
      broken.send('no JSON');
      await broken.closed;
      await using large = await RawSocket.open(`${server.socketUrl()}?token=${tokens.alice}`);
      large.send('x'.repeat(100_000));
      await large.closed;
      await using alice = await connect(tokens.alice);
      await alice.join(`session:${sessionId}`);
      await Promise.all(Array.from({ length: 8 }, () => send(alice)));
    });
    expect(grown).toMatchObject({
      'fleetlm_http_requests_total{method="GET",route="none",status="404"}': 1,
      'fleetlm_handshakes_total{status="403"}': 1,
      'fleetlm_connections_closed_total{by="server",code="1007"}': 1,
      'fleetlm_connections_closed_total{by="server",code="1009"}': 1,
    });
    expect(grown['fleetlm_rate_limited_total{edge="frame"}']).toBeGreaterThan(2);
  });

  test('a node that is full says why, and what it has refused', async () => {
    await using full = await startTestServer({ env: { FLEETLM_LOAD_MEMORY_BYTES: '1' } });
    const read = async () => parse((await full.api('GET', '/metrics')).body);
    // Asks Postgres.
    expect((await full.api('GET', '/health/ready')).status).toBe(200);
    await waitUntil(async () => (await read()).get('fleetlm_load_full{reason="memory"}') === 1);
    await RawSocket.open(full.socketUrl()).catch(() => {});
    expect((await full.api('GET', '/api/sessions')).status).toBe(503);
    const told = await read();
    expect(told.get('fleetlm_load_full{reason="lag"}')).toBe(0);
    expect(told.get('fleetlm_load_shed_total{what="handshake"}')).toBe(1);
    expect(told.get('fleetlm_load_shed_total{what="request"}')).toBe(1);
    expect(told.get('fleetlm_handshakes_total{status="503"}')).toBe(1);
    expect(told.get('fleetlm_postgres_pool_connections')).toBeGreaterThan(0);
    expect(told.get('fleetlm_append_queued_rows')).toBe(0);
  });

  test('no label is an id, a path or a token', async () => {
    await server.api('GET', `/api/sessions/${sessionId}?token=${tokens.alice}`);
    await server.api('GET', `/metrics/${sessionId}`);
    await using client = await connect(tokens.service);
    await client.join(`session:${sessionId}`);
    const { body } = await backend.api('GET', '/metrics');
    for (const id of [sessionId, 'user:', 'backend', tokens.alice, 'lobby']) expect(body).not.toContain(id);
    const labels = [...body.matchAll(/[{,]([a-z_]+)="/g)].map((match) => match[1]);
    const ofFleetLm = ['status', 'type', 'topic_group', 'cache', 'role', 'by', 'code', 'result', 'edge'];
    const others = ['failure', 'reason', 'what', 'method', 'route', 'version', 'le'];
    const ofProcess = ['space', 'kind', 'major', 'minor', 'patch'];
    expect([...ofFleetLm, ...others, ...ofProcess]).toEqual(expect.arrayContaining([...new Set(labels)]));
  });
});

describe('S35: FLEETLM_OPS_PORT', () => {
  test('serves health and metrics to everybody, also during the drain, and nothing else', async () => {
    const arrived = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    await using ops = await startTestServer({
      env: { FLEETLM_JWT_SECRET: testSecret, FLEETLM_OPS_PORT: '0' },
      overrides: {
        wrapDb: (db) => ({
          ...db,
          query: async (statement, values) => {
            if (statement.name === 'inbox-page') {
              arrived.resolve();
              await held.promise;
            }
            return db.query(statement, values);
          },
        }),
      },
    });
    using atLast = new DisposableStack();
    atLast.defer(held.resolve);
    const url = ops.server.opsUrl!;
    const get = async (path: string) => (await fetch(url + path)).status;
    expect(await Promise.all(['/health/live', '/health/ready', '/metrics'].map(get))).toEqual([
      200, 200, 200,
    ]);
    const others = ['/', '/api/sessions', '/socket/websocket', '/metrics/x', '/health'];
    expect(await Promise.all(others.map(get))).toEqual(others.map(() => 404));
    await expect(RawSocket.open(`${url.replace('http', 'ws')}/socket/websocket`)).rejects.toThrow();
    const main = [undefined, tokens.service].map((token) =>
      ops.api('GET', '/metrics', token ? { token } : {}),
    );
    expect((await Promise.all(main)).map(({ status }) => status)).toEqual([404, 404]);
    expect((await ops.api('GET', '/health/ready')).status).toBe(200);
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('\nfleetlm_ready 1\n');

    const read = ops.api('GET', '/api/participants/user:a/inbox', { token: tokens.service });
    await arrived.promise;
    const stopped = ops.server.stop();
    const ready = await fetch(`${url}/health/ready`);
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { status: 'not_ready', reasons: ['the server is shutting down'] },
    ]);
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('\nfleetlm_ready 0\n');
    held.resolve();
    await Promise.all([read, stopped]);
    await expect(get('/health/live')).rejects.toThrow();
  });

  test('answers while the server still starts', async () => {
    const config = parseConfig({
      PORT: '0',
      FLEETLM_OPS_PORT: '0',
      // Nothing listens there.
      DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
      FLEETLM_DB_WAIT_MS: '60000',
    });
    await using starting = new Server(config, { log: quietLog });
    const started = starting.start().catch(() => 'given up');
    await waitUntil(() => starting.opsUrl !== null);
    const ready = await fetch(`${starting.opsUrl}/health/ready`);
    const reasons = ['the server is starting: waiting for Postgres'];
    expect([ready.status, await ready.json()]).toMatchObject([503, { reasons }]);
    expect((await fetch(`${starting.opsUrl}/metrics`)).status).toBe(200);
    await starting.stop();
    expect(await started).toBe('given up');
  });

  test('that is taken is named, like the main one', async () => {
    const taken = { PORT: '0', FLEETLM_OPS_PORT: new URL(server.url).port };
    const config = parseConfig({ ...taken, DATABASE_URL: server.database.url });
    await using late = new Server(config, { log: quietLog });
    await expect(late.start()).rejects.toThrow('set FLEETLM_OPS_PORT to another port');
  });
});
