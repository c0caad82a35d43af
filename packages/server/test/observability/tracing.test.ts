import { randomBytes } from 'node:crypto';
import {
  addGroup,
  addParticipants,
  type CollectedSpan,
  SessionClient,
  spawnServer,
  startTestServer,
  type TestDatabase,
  type TestServer,
  TraceCollector,
  testDatabase,
  waitUntil,
} from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const alice = 'user:alice';
const bob = 'user:bob';
const secret = 'nobody-may-read-this';

interface LogLine {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

const resources = new AsyncDisposableStack();
let collector: TraceCollector;
let server: TestServer;
let sessionId: string;
let isHistoryBroken = false;
const logLines: LogLine[] = [];

beforeAll(async () => {
  collector = resources.use(await TraceCollector.start());
  server = resources.use(
    await startTestServer({
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${secret},x-tenant=a`,
        OTEL_SERVICE_NAME: 'chat',
        OTEL_BSP_SCHEDULE_DELAY: '10',
        FLEETLM_APPEND_LANES: '1',
        FLEETLM_APPEND_LOCK_TIMEOUT_MS: '50',
      },
      overrides: {
        log: recordingLog(logLines),
        wrapDb: (db) => ({
          ...db,
          async query(statement, values) {
            if (isHistoryBroken && statement.name.startsWith('history')) throw new Error('broken');
            return db.query(statement, values);
          },
        }),
      },
    }),
  );
  await addParticipants(server, alice, bob, 'user:stranger');
  sessionId = await addGroup(server, alice, bob);
});
afterAll(() => resources.disposeAsync());

function recordingLog(lines: LogLine[]) {
  const write = (fields: object, message: string) => {
    lines.push({ fields: fields as LogLine['fields'], message });
  };
  return { debug: write, info: write, warn: write, error: write };
}

async function joined(session = sessionId, as?: string): Promise<SessionClient> {
  const client = resources.use(await SessionClient.open(server.socketUrl(as), session));
  expect(await client.join()).toMatchObject({ status: 'ok' });
  return client;
}

/** The first span that is so, once it was exported. */
function spanOf(name: string, isIt: (span: CollectedSpan) => boolean = () => true): Promise<CollectedSpan> {
  return waitUntil(() => collector.spans.find((span) => span.name === name && isIt(span)), { what: name });
}

/** The spans of the append of message `seq`, each the parent of the next, from the root. */
async function chainOf(session: string, seq: number): Promise<CollectedSpan[]> {
  const { traceId } = await spanOf('append', ({ attributes }) => {
    return attributes['fleetlm.session_id'] === session && attributes['fleetlm.seq'] === seq;
  });
  await waitUntil(() => collector.trace(traceId).length >= 4, { what: `four spans of ${traceId}` });
  return inLine(collector.trace(traceId));
}

/** From parent to child. Throws unless they are one line. */
function inLine(spans: readonly CollectedSpan[]): CollectedSpan[] {
  const ids = new Set(spans.map((span) => span.spanId));
  const line = spans.filter(({ parentSpanId }) => parentSpanId === undefined || !ids.has(parentSpanId));
  while (line.length < spans.length) {
    const children = spans.filter((span) => span.parentSpanId === line.at(-1)?.spanId);
    expect(children).toHaveLength(1);
    line.push(...children);
  }
  return line;
}

/** Waits until all that has happened so far is exported: what comes later stands behind it. */
async function untilExported(): Promise<void> {
  const traceId = randomBytes(16).toString('hex');
  const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
  await fetch(`${server.url}/api/participants`, { headers });
  await waitUntil(() => collector.trace(traceId).length === 1);
}

function namesOf(spans: readonly CollectedSpan[]): string[] {
  return spans.map((span) => span.name);
}

describe('a message', () => {
  test('sent by socket is one trace, from its frame to the broadcast', async () => {
    const [writer, reader] = [await joined(sessionId, alice), await joined(sessionId, bob)];
    const beganMs = Date.now();
    const seq = await writer.say('hello');
    await reader.socket.next((frame) => frame[3] === 'message' && frame[4].seq === seq);
    const seenMs = Date.now();
    const chain = await chainOf(sessionId, seq);
    const [frame, append, commit, broadcast] = chain as [
      CollectedSpan,
      CollectedSpan,
      CollectedSpan,
      CollectedSpan,
    ];
    expect(namesOf(chain)).toEqual(['frame send', 'append', 'commit', 'broadcast']);
    expect(frame.parentSpanId).toBeUndefined();
    expect(frame.kind).toBe(2); // SPAN_KIND_SERVER
    expect(frame.attributes).toEqual({
      'fleetlm.connection_id': expect.stringMatching(/^[\da-f]{32}$/),
      'fleetlm.session_id': sessionId,
    });
    expect(append.attributes).toMatchObject({ 'fleetlm.outcome': 'stored', 'fleetlm.seq': seq });
    expect(commit.attributes).toEqual({ 'fleetlm.batch_size': 1 });
    expect(chain.some((span) => span.isError)).toBe(false);
    // What Date.now() leaves out of a millisecond, and what the clocks may differ by.
    const slackMs = 51;
    expect(frame.startMs).toBeGreaterThanOrEqual(beganMs - slackMs);
    expect(frame.startMs).toBeLessThanOrEqual(append.startMs);
    expect(append.startMs).toBeLessThanOrEqual(commit.startMs);
    expect(commit.startMs).toBeLessThan(commit.endMs);
    expect(commit.endMs).toBeLessThanOrEqual(append.endMs);
    expect(append.endMs).toBeLessThanOrEqual(frame.endMs);
    expect(commit.endMs).toBeLessThanOrEqual(broadcast.startMs);
    expect(broadcast.startMs).toBeLessThanOrEqual(broadcast.endMs);
    expect(broadcast.endMs).toBeLessThanOrEqual(seenMs + slackMs);
  });

  test('sent by REST goes on with its caller’s trace; the log has its id, the reply nothing more', async () => {
    const [traceId, callerSpanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
    const path = `/api/sessions/${sessionId}/messages`;
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${traceId}-${callerSpanId}-01` },
      body: JSON.stringify({ sender_id: alice, content: { text: 'hello' } }),
    });
    expect(response.status).toBe(200);
    expect([...response.headers.keys()].filter((name) => name.startsWith('trace'))).toEqual([]);
    await waitUntil(() => collector.trace(traceId).length === 4);
    const chain = inLine(collector.trace(traceId));
    const name = 'POST /api/sessions/:id/messages';
    expect(namesOf(chain)).toEqual([name, 'append', 'commit', 'broadcast']);
    expect(chain[0]).toMatchObject({ parentSpanId: callerSpanId, kind: 2, isError: false });
    expect(chain[0]?.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/api/sessions/:id/messages',
      'http.response.status_code': 200,
    });
    const line = logLines.find(({ fields }) => fields['trace_id'] === traceId);
    expect(line).toMatchObject({ message: 'request', fields: { path, status: 200 } });
  });

  test('that is refused marks the append and the frame as errors, and has no broadcast', async () => {
    const client = await joined();
    const content = { content: { text: 'hello' } };
    const answer = await client.push('send', { sender_id: 'user:stranger', content });
    expect(answer.response).toMatchObject({ reason: 'not_a_member' });
    const append = await spanOf('append', (span) => span.isError);
    await waitUntil(() => collector.trace(append.traceId).length === 3);
    const chain = inLine(collector.trace(append.traceId));
    expect(namesOf(chain)).toEqual(['frame send', 'append', 'commit']);
    expect(append.attributes).toEqual({
      'fleetlm.session_id': sessionId,
      'fleetlm.outcome': 'not_a_member',
      'error.type': 'not_a_member',
    });
    expect(chain[0]).toMatchObject({ isError: true, attributes: { 'error.type': 'not_a_member' } });
  });

  test('that shares its batch with another has a trace of its own, and an attempt that failed is shown', async () => {
    const held = await addGroup(server, alice, bob);
    const [writer, waiting] = [await joined(sessionId, alice), await joined(held, alice)];
    const holder = new Client({ connectionString: server.database.url });
    await holder.connect();
    await holder.query('begin');
    await holder.query('select 1 from chat_sessions where id = $1 for update', [held]);
    // The only lane waits for a lock; meanwhile its next batch gathers.
    const heldSaid = waiting.say('first');
    await waitUntil(() => server.server.counts.pendingAppends === 1);
    const said = Promise.all([writer.say('one'), writer.say('two')]);
    const failed = await spanOf('commit', (span) => span.isError);
    await holder.query('rollback');
    await holder.end();
    const [one, two] = await said;
    const chains = [await chainOf(sessionId, one), await chainOf(sessionId, two)];
    expect(new Set(chains.map((chain) => chain[0]?.traceId)).size).toBe(2);
    for (const chain of chains) {
      expect(namesOf(chain)).toEqual(['frame send', 'append', 'commit', 'broadcast']);
      expect(chain[2]?.attributes).toEqual({ 'fleetlm.batch_size': 2 });
    }
    expect(chains[0]?.[2]?.startMs).toBe(chains[1]?.[2]?.startMs);
    await heldSaid;
    const trace = () => collector.trace(failed.traceId);
    await waitUntil(() => trace().some((span) => span.name === 'broadcast'));
    expect(failed.attributes['error.type']).toBe('locked');
    const append = trace().find((span) => span.name === 'append');
    expect(failed.parentSpanId).toBe(append?.spanId);
    expect(append).toMatchObject({ isError: false, attributes: { 'fleetlm.outcome': 'stored' } });
    expect(trace().filter((span) => span.name === 'commit' && !span.isError)).toHaveLength(1);
  });
});

describe('anything else', () => {
  test('is one span: joins, other frames and calls, with an error’s code', async () => {
    const client = resources.use(await SessionClient.open(server.socketUrl('user:stranger'), sessionId));
    expect(await client.join()).toMatchObject({ status: 'error' });
    const refused = await spanOf('frame phx_join', (span) => span.isError);
    expect(refused.attributes).toMatchObject({
      'fleetlm.session_id': sessionId,
      'error.type': 'session_not_found',
    });
    const member = await joined(sessionId, bob);
    expect(await member.push('history')).toMatchObject({ status: 'ok' });
    const history = await spanOf('frame history');
    expect(collector.trace(history.traceId)).toHaveLength(1);
    expect((await server.api('GET', `/api/sessions/${sessionId}?x=${secret}`)).status).toBe(200);
    expect((await spanOf('GET /api/sessions/:id')).attributes['http.response.status_code']).toBe(200);
    expect((await server.api('GET', '/api/sessions/nothing', { as: alice })).status).toBe(404);
    const absent = await spanOf('GET /api/sessions/:id', ({ attributes }) => {
      return attributes['http.response.status_code'] === 404;
    });
    expect(absent.isError).toBe(false);
  });

  test('that fails here is an error, and the log has its trace', async () => {
    const client = await joined(sessionId, alice);
    isHistoryBroken = true;
    client.write('history', { before_seq: 1 });
    await client.socket.next((frame) => frame[3] === 'phx_error');
    const { status } = await server.api('GET', `/api/sessions/${sessionId}/messages?before_seq=1`);
    isHistoryBroken = false;
    expect(status).toBe(500);
    const spans = [
      await spanOf('frame history', (span) => span.attributes['error.type'] === 'channel_crash'),
      await spanOf('GET /api/sessions/:id/messages', (span) => span.attributes['error.type'] === '500'),
    ];
    const messages = spans.map(({ traceId, isError }) => [
      isError,
      ...logLines.filter(({ fields }) => fields['trace_id'] === traceId).map(({ message }) => message),
    ]);
    expect(messages).toEqual([
      [true, 'channel crashed'],
      [true, 'request failed', 'request'],
    ]);
  });

  test('from strangers, to nowhere, or about health leaves no trace', async () => {
    const seen = collector.spans.length;
    expect((await server.api('GET', '/api/sessions', { as: '' })).status).toBe(401);
    expect((await server.api('GET', '/api/nothing')).status).toBe(404);
    expect((await server.api('GET', '/health/ready')).status).toBe(200);
    await untilExported();
    expect(namesOf(collector.spans.slice(seen))).toEqual(['GET /api/participants']);
  });
});

test('the collector is told who exports, and no span holds what people write', async () => {
  const client = await joined(sessionId, alice);
  const content = { content: { text: secret }, metadata: { note: secret } };
  await client.push('send', { content, client_id: secret });
  await client.push(secret, { content });
  client.socket.send(['9', '9', `session:${secret}`, 'phx_join', {}]);
  await client.socket.next((frame) => frame[2] === `session:${secret}`);
  const path = `/api/sessions/${sessionId}/messages`;
  await server.api('POST', path, { as: alice, body: { content: { text: secret }, client_id: `${secret}2` } });
  await server.api('GET', `/api/sessions/${secret}?last=${secret}`);
  await server.api('PUT', '/api/participants/user:carol', { body: { display_name: secret } });
  await untilExported();
  expect(collector.requests[0]).toMatchObject({
    method: 'POST',
    url: '/v1/traces',
    headers: { authorization: `Bearer ${secret}`, 'x-tenant': 'a', 'content-type': 'application/json' },
  });
  expect(collector.resource).toMatchObject({ 'service.name': 'chat' });
  expect(collector.texts.join('\n')).not.toContain(secret);
  expect(JSON.stringify(logLines)).not.toContain(`Bearer ${secret}`);
});

test('a collector that is busy is tried again, and nothing is lost', async () => {
  collector.statuses.push(503);
  const client = await joined(sessionId, alice);
  const seq = await client.say('again');
  expect(namesOf(await chainOf(sessionId, seq))).toHaveLength(4);
  expect(logLines.filter(({ fields }) => 'lost_spans' in fields)).toEqual([]);
});

test('a ratio of 0 exports what callers ask for, and nothing else', async () => {
  await using quiet = await TraceCollector.start();
  await using other = await startTestServer({
    env: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${quiet.url}/own/path`, OTEL_TRACES_SAMPLER_ARG: '0' },
  });
  await addParticipants(other, alice, bob);
  await using client = await SessionClient.open(other.socketUrl(alice), await addGroup(other, alice, bob));
  await client.join();
  await client.say('hello');
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await fetch(`${other.url}/api/participants`, { headers: { traceparent } });
  await other.server.stop();
  expect(namesOf(quiet.spans)).toEqual(['GET /api/participants']);
  expect(quiet.requests[0]?.url).toBe('/own/path');
});

describe('without a collector', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = resources.use(await testDatabase());
  });

  test('that answers, appends are answered, and a stop hardly waits', async () => {
    await using silent = await TraceCollector.start();
    silent.isSilent = true;
    const lines: LogLine[] = [];
    await using other = await startTestServer({
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: silent.url, OTEL_BSP_SCHEDULE_DELAY: '1' },
      overrides: { log: recordingLog(lines) },
    });
    await addParticipants(other, alice, bob);
    await using client = await SessionClient.open(other.socketUrl(alice), await addGroup(other, alice, bob));
    await client.join();
    // More spans than one export takes.
    await client.sayMany(200);
    await waitUntil(() => silent.requests.length > 0);
    const beganMs = performance.now();
    await other.server.stop();
    expect(performance.now() - beganMs).toBeLessThan(4_000);
    const lost = lines.filter(({ fields }) => 'lost_spans' in fields);
    expect(lost).toHaveLength(1);
  });

  test('that ends its answers, no more of one is read than it may have', async () => {
    await using endless = await TraceCollector.start();
    endless.isEndless = true;
    await using other = await startTestServer({
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: endless.url, OTEL_BSP_SCHEDULE_DELAY: '1' },
    });
    expect((await other.api('GET', '/api/participants')).status).toBe(200);
    await waitUntil(() => endless.cutAnswers.length > 0);
    // What the kernel takes is written, too: without a bound it is hundreds of MiB until time is up.
    expect(endless.cutAnswers[0]).toBeLessThan(16 << 20);
  });

  test('nothing of OpenTelemetry’s SDK is loaded; with one that is gone, the server serves and stops', async () => {
    const env = { DATABASE_URL: database.url, NODE_OPTIONS: `--import=${tellLoaded}` };
    await using off = await spawnServer({ env });
    await using gone = await spawnServer({
      env: { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_BSP_SCHEDULE_DELAY: '1' },
    });
    for (const each of [off, gone]) expect((await each.api('GET', '/api/participants')).status).toBe(200);
    for (const each of [off, gone]) each.process.kill('SIGTERM');
    expect(await Promise.all([off.process.exited, gone.process.exited])).toEqual([
      { code: 0, signal: null },
      { code: 0, signal: null },
    ]);
    expect(gone.process.output).toContain('loaded sdk-trace');
    expect(off.process.output).toContain('loading is watched');
    // prom-client brings the API, which does nothing by itself.
    expect(off.process.output).not.toMatch(/loaded (?!api\n)/);
  });
});

/** Runs before a server, and prints each package of OpenTelemetry that is loaded. */
const tellLoaded = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  registerHooks({
    load(url, context, next) {
      const name = /@opentelemetry.([^/]+)/.exec(url)?.[1];
      if (name) process.stderr.write('loaded ' + name + '\\n');
      return next(url, context);
    },
  });
  process.stderr.write('loading is watched\\n');
`)}`;
