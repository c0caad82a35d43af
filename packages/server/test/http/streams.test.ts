import { createConnection } from 'node:net';
import {
  AgentServer,
  type AskedSession,
  addGroup,
  addParticipants,
  beginAnswer,
  beginAnswers,
  type LiveAnswer,
  type RawFrame,
  RawSocket,
  StreamWriter,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { DefaultChatTransport, readUIMessageStream, type UIMessage } from 'ai';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { asJson } from '../streams/sdk-messages.ts';

const httpTimeouts = {
  requestMs: 150,
  checkIntervalMs: 20,
  stallMs: 300,
  streamSweepMs: 20,
  streamQuietMs: 100,
};
let server: TestServer;
let agent: AgentServer;
let sessionId: string;

beforeAll(async () => {
  agent = await AgentServer.start();
  server = await startTestServer({ env: { FLEETLM_SESSION_IDLE_MS: '50' }, overrides: { httpTimeouts } });
  await addParticipants(server, 'user:alice', 'user:bob', 'user:carol', 'agent:bot', 'agent:other');
  for (const id of ['agent:bot', 'agent:other']) {
    await server.api('PUT', `/api/agents/${id}/endpoint`, { body: { origin_url: agent.url } });
  }
  sessionId = await addGroup(server, 'user:alice', 'user:bob', 'agent:bot');
});

// An agent has one turn at a time in a session.
afterEach(() => waitUntil(() => server.server.counts.turns === 0));

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
});

function begin(first?: readonly { readonly type: string }[]): Promise<LiveAnswer> {
  const asked: AskedSession = { id: sessionId, askerId: 'user:alice', agentIds: ['agent:bot'] };
  return beginAnswer(server, agent, asked, first);
}

function get(path: string, as = 'user:alice', headers = {}): Promise<Response> {
  return fetch(`${server.url}${path}`, { headers: { 'x-participant-id': as, ...headers } });
}

/** Whether the connection of a reply was cut before its end. */
async function isCut(response: Response): Promise<boolean> {
  try {
    return !(await response.text()).includes('[DONE]');
  } catch {
    return true;
  }
}

/** The body of a reply, as JSON of any shape. */
async function json(response: Response): Promise<RawFrame> {
  return response.json();
}

function write(type?: string): StreamWriter {
  return new StreamWriter(server.url, { agentId: 'agent:bot', sessionId, ...(type && { type }) });
}

/** Waits until a request has begun its stream. */
async function opened(): Promise<void> {
  await waitUntil(() => server.server.counts.streams === 1);
}

/** Waits until the server has had enough of a connection that says nothing. */
async function silenceIsCut(): Promise<void> {
  const silent = createConnection(Number(new URL(server.url).port), '127.0.0.1');
  await new Promise((resolve) => silent.resume().once('close', resolve));
}

async function nothingIsLeft(): Promise<void> {
  await waitUntil(() => Object.values(server.server.counts).every((count) => count === 0));
}

describe('a stream is read', () => {
  test('from its beginning to its end, as the AI SDK’s format', async () => {
    const stream = await begin();
    const response = await get(stream.path, 'user:alice', { origin: server.url });
    stream.say(', you');
    stream.finish();
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'x-vercel-ai-ui-message-stream': 'v1',
      'cache-control': 'no-store',
      'access-control-allow-origin': server.url,
    });
    const events = (await response.text()).split('\n\n').map((event) => event.replace('data: ', ''));
    expect(events.slice(-2)).toEqual(['[DONE]', '']);
    const chunks = events.slice(0, -2).map((event) => JSON.parse(event));
    expect(chunks.map(({ type }) => type)).toEqual([
      'start',
      'text-start',
      'text-delta',
      'text-delta',
      'text-end',
      'finish',
    ]);
    await nothingIsLeft();
  });

  test('by the AI SDK itself, which resumes it from its midst', async () => {
    const stream = await begin();
    const transport = new DefaultChatTransport({
      headers: { 'x-participant-id': 'user:alice' },
      prepareReconnectToStreamRequest: ({ id }) => ({
        api: `${server.url}/api/sessions/${sessionId}/streams/${id}`,
      }),
    });
    const chunks = await transport.reconnectToStream({ chatId: stream.facts.stream_id });
    stream.write({ type: 'tool-input-start', toolCallId: 't', toolName: 'weather' });
    stream.write({ type: 'tool-input-available', toolCallId: 't', toolName: 'weather', input: { at: 1 } });
    stream.say(', you');
    stream.finish();
    let read: UIMessage | null = null;
    for await (const message of readUIMessageStream({ stream: chunks! })) read = message;
    // What is read is what is stored.
    const { body } = await server.api('GET', `/api/sessions/${sessionId}/messages?limit=1`);
    const [{ id, content }] = body.messages;
    expect({ id, parts: content.parts }).toEqual({ id: read!.id, parts: asJson(read!.parts) });
    expect(id).toBe(stream.facts.message_id);
    expect(await transport.reconnectToStream({ chatId: stream.facts.stream_id })).toBeNull();
  });

  test('also before it has said anything', async () => {
    const stream = await begin([{ type: 'start' }]);
    const response = await get(stream.path);
    expect(response.status).toBe(200);
    stream.write({ type: 'finish' });
    const start = JSON.stringify({ type: 'start', messageId: stream.facts.message_id });
    expect(await response.text()).toBe(`data: ${start}\n\ndata: {"type":"finish"}\n\ndata: [DONE]\n\n`);
  });

  test('under the id of its message in the log, though its agent names none', async () => {
    const stream = await begin([{ type: 'data-a' }]);
    const response = await get(stream.path);
    stream.finish();
    const events = (await response.text()).split('\n\n').slice(0, -2);
    const [first] = events.map((event) => JSON.parse(event.replace('data: ', '')));
    expect(first).toEqual({ type: 'start', messageId: stream.facts.message_id });
  });

  test('204 when there is none; hidden as its session is', async () => {
    const stream = await begin();
    const other = await addGroup(server, 'user:alice', 'agent:bot');
    const gone = await get(`/api/sessions/${sessionId}/streams/01K9WQ6Q8X1A5B7C9D0E1F2G3H`);
    expect([gone.status, await gone.text()]).toEqual([204, '']);
    expect((await get(`/api/sessions/${sessionId}/streams/none`)).status).toBe(204);
    // An id of a stream opens no other session.
    expect((await get(`/api/sessions/${other}/streams/${stream.facts.stream_id}`)).status).toBe(204);
    for (const path of [stream.path, stream.path.replace(sessionId, other)]) {
      const hidden = await get(path, 'user:carol');
      expect([hidden.status, (await json(hidden)).code]).toEqual([404, 'session_not_found']);
    }
    stream.finish();
    await nothingIsLeft();
  });

  test('not by who is removed, or disabled: they are cut at once, others go on', async () => {
    const stream = await begin();
    const stays = await get(stream.path);
    const removed = await get(stream.path, 'user:bob');
    const member = `/api/sessions/${sessionId}/members/user:bob`;
    await server.api('DELETE', member);
    expect(await isCut(removed)).toBe(true);
    await server.api('PUT', member);
    const disabled = await get(stream.path, 'user:bob');
    await server.api('PUT', '/api/participants/user:bob', { body: { status: 'disabled' } });
    expect(await isCut(disabled)).toBe(true);
    await server.api('PUT', '/api/participants/user:bob', { body: { status: 'active' } });
    stream.finish();
    expect(await isCut(stays)).toBe(false);
  });

  test('and left: nothing of the reader stays', async () => {
    const stream = await begin();
    const leaving = new AbortController();
    const response = await fetch(`${server.url}${stream.path}`, { signal: leaving.signal });
    await waitUntil(() => server.server.counts.subscribedTopics === 1);
    leaving.abort();
    await expect(response.text()).rejects.toThrow();
    await waitUntil(() => server.server.counts.subscribedTopics === 0);
    stream.finish();
  });

  test('for longer than a connection may be silent: it gets comments meanwhile', async () => {
    const stream = await begin();
    const response = await get(stream.path);
    await silenceIsCut();
    stream.finish();
    const text = await response.text();
    expect(text).toContain(':\n\n');
    expect(text).toContain('[DONE]');
  });
});

describe('a stream is stopped', () => {
  test('by REST: one, or all of a session; the reply has the turns', async () => {
    const agentIds = ['agent:bot', 'agent:other'];
    const id = await addGroup(server, 'user:alice', 'user:bob', ...agentIds);
    const answers = await beginAnswers(server, agent, { id, askerId: 'user:alice', agentIds });
    const [first, second] = answers.map(({ facts }) => facts);
    const path = `/api/sessions/${id}/stop`;
    const one = await server.api('POST', path, { as: 'user:bob', body: { stream_id: first!.stream_id } });
    expect([one.status, one.body]).toEqual([200, { stopped: [first!.turn_id] }]);
    await waitUntil(() => server.server.counts.turns === 1);
    const all = await server.api('POST', path);
    expect(all.body).toEqual({ stopped: [second!.turn_id] });
    expect((await server.api('POST', path, { as: 'user:carol' })).body.code).toBe('session_not_found');
    const invalid = await server.api('POST', path, { body: { stream_id: 'x' } });
    expect(invalid.body.errors).toEqual({ stream_id: ['must be a stream id'] });
  });

  test('by the channel; no chunk follows the terminal one', async () => {
    await using socket = await RawSocket.open(server.socketUrl('user:bob'));
    const topic = `session:${sessionId}`;
    socket.send(['1', '1', topic, 'phx_join', {}]);
    await socket.next();
    const stream = await begin();
    socket.send(['1', '2', topic, 'stop', { stream_id: stream.facts.stream_id }]);
    const reply = await socket.next((frame) => frame[1] === '2');
    expect(reply[4]).toEqual({ status: 'ok', response: { stopped: [stream.facts.turn_id] } });
    stream.say('late');
    await waitUntil(() => server.server.counts.turns === 0);
    await socket.settle();
    const chunks = socket.texts
      .map((text) => JSON.parse(text))
      .filter((frame) => frame[3] === 'stream_chunk');
    expect(chunks.map((frame) => frame[4].chunk.type)).toEqual([
      'start',
      'text-start',
      'text-delta',
      'abort',
    ]);
    socket.send(['1', '3', topic, 'stop', { stream_id: 7 }]);
    expect((await socket.next((frame) => frame[1] === '3'))[4].response.reason).toBe('invalid_request');
  });
});

describe('a stream is written', () => {
  const path = () => `/api/sessions/${sessionId}/streams`;
  const post = (body: string, type: string, as = 'agent:bot', query = '') =>
    fetch(`${server.url}${path()}${query}`, {
      method: 'POST',
      headers: { 'content-type': type, ...(as && { 'x-participant-id': as }) },
      body,
    });
  test.each([
    ['a person', 'text/plain', 'user:alice', '', 403, 'forbidden'],
    ['an agent for another one', 'text/plain', 'agent:bot', '?agent_id=agent:other', 403, 'forbidden'],
    ['an agent that is no member', 'text/plain', 'agent:other', '', 404, 'session_not_found'],
    ['the service for nobody', 'text/plain', '', '', 422, 'invalid_request'],
    ['the service for a person', 'text/plain', '', '?agent_id=user:alice', 422, 'invalid_request'],
    ['the service for who is no member', 'text/plain', '', '?agent_id=agent:other', 422, 'not_a_member'],
    ['a document', 'application/json', 'agent:bot', '', 415, 'unsupported_media_type'],
    ['a thing', 'image/png', 'agent:bot', '', 415, 'unsupported_media_type'],
  ])('%s: refused', async (_who, type, as, query, status, code) => {
    const answer = await post('{}', type, as, query);
    expect([answer.status, (await json(answer)).code]).toEqual([status, code]);
  });

  test('by the service for an agent', async () => {
    expect((await post('Hi', 'text/plain', '', '?agent_id=agent:bot')).status).toBe(200);
  });

  test('not in a session that is closed', async () => {
    const closed = await addGroup(server, 'user:alice', 'agent:bot');
    await server.api('PATCH', `/api/sessions/${closed}`, { body: { status: 'closed' } });
    const answer = await fetch(`${server.url}/api/sessions/${closed}/streams?agent_id=agent:bot`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: 'Hi',
    });
    expect([answer.status, (await json(answer)).code]).toEqual([409, 'session_closed']);
  });

  test('for longer than a body may take, and than a connection may be silent', async () => {
    const writer = write();
    await opened();
    writer.writeLines({ type: 'text-start', id: '1' });
    await silenceIsCut();
    expect(server.server.counts.streams).toBe(1);
    writer.writeLines({ type: 'text-delta', id: '1', delta: 'Hi' }, { type: 'finish' });
    writer.end();
    await waitUntil(() => writer.received.includes('"termination":"finish"'));
    // The connection serves on.
    writer.send('GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await waitUntil(() => writer.received.includes('{"status":"live"}'));
    writer.destroy();
  });

  test('and stopped: what is left of its body is hurried again', async () => {
    const writer = write();
    await opened();
    await server.api('POST', `/api/sessions/${sessionId}/stop`);
    await waitUntil(() => writer.received.includes('"termination":"stopped"'));
    await waitUntil(() => writer.isClosed);
  });

  test('S20: a body that is refused is no stream: it may not last', async () => {
    const writer = write('image/png');
    await waitUntil(() => writer.received.includes('unsupported_media_type'));
    await waitUntil(() => writer.isClosed);
  });
});

test('requests that last as long as a stream are counted, but not timed', async () => {
  const route = 'method="GET",route="/api/sessions/:id/streams/:stream_id"';
  const scrape = async () => (await server.api('GET', '/metrics')).body.split('\n') as string[];
  const about = (lines: readonly string[]) => ({
    answered: lines.find((line) => line.includes(`_total{${route},status="200"}`)),
    timed: lines.find((line) => line.includes(`_seconds_count{${route}}`)),
  });
  const before = about(await scrape());
  const stream = await begin();
  const response = await get(stream.path);
  stream.finish();
  await response.text();
  await waitUntil(() => server.server.counts.streams === 0);
  const lines = await scrape();
  const after = about(lines);
  expect(after.answered).not.toBe(before.answered);
  expect(after.timed).toBe(before.timed);
  expect(lines).toContain('fleetlm_streams_running 0');
  expect(lines).toContainEqual(expect.stringMatching(/^fleetlm_stream_chunks_total [1-9]\d*$/));
});

test('a drain waits for no stream: who reads is cut, who writes is told', async () => {
  const draining = await startTestServer();
  await addParticipants(draining, 'user:alice', 'agent:bot');
  const id = await addGroup(draining, 'user:alice', 'agent:bot');
  const writer = new StreamWriter(draining.url, { agentId: 'agent:bot', sessionId: id, type: 'text/plain' });
  writer.write('Hello');
  await using socket = await RawSocket.open(draining.socketUrl('user:alice'));
  const [{ stream_id }] = await waitUntil(async () => {
    socket.send(['1', '1', `session:${id}`, 'phx_join', {}]);
    const reply = await socket.next((frame) => frame[3] === 'phx_reply');
    return reply[4].response.streams.length > 0 && reply[4].response.streams;
  });
  const read = await fetch(`${draining.url}/api/sessions/${id}/streams/${stream_id}`);
  const stopped = draining[Symbol.asyncDispose]();
  expect(await isCut(read)).toBe(true);
  await waitUntil(() => writer.received.includes('"termination":"interrupted"'));
  await stopped;
});
