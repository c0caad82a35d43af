import { createConnection } from 'node:net';
import type { SessionId } from '@fleetlm/protocol';
import {
  addGroup,
  addParticipants,
  type RawFrame,
  RawSocket,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { DefaultChatTransport, readUIMessageStream, type UIMessage } from 'ai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunningStream } from '../../src/streams/running-stream.ts';
import { finish, ScriptedTurns, say } from '../streams/scripted-turns.ts';
import { asJson } from '../streams/sdk-messages.ts';

const httpTimeouts = {
  requestMs: 150,
  checkIntervalMs: 20,
  stallMs: 300,
  streamSweepMs: 20,
  streamQuietMs: 100,
};
const turns = new ScriptedTurns();
let server: TestServer;
let sessionId: string;

beforeAll(async () => {
  server = await startTestServer({
    env: { FLEETLM_SESSION_IDLE_MS: '50' },
    overrides: { turns: turns.over, httpTimeouts },
  });
  await addParticipants(server, 'user:alice', 'user:bob', 'user:carol', 'agent:bot', 'agent:other');
  sessionId = await addGroup(server, 'user:alice', 'user:bob', 'agent:bot');
});

afterAll(() => server[Symbol.asyncDispose]());

function begin(): RunningStream {
  const stream = turns.open(sessionId);
  stream.push({ type: 'start', messageId: 'm' }, 10);
  stream.push({ type: 'text-start', id: '1' }, 10);
  say(stream, 'Hello');
  return stream;
}

function pathOf({ facts }: RunningStream): string {
  return `/api/sessions/${facts.sessionId}/streams/${facts.streamId}`;
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

/** A request whose body a test writes piece by piece. */
function open(type = 'application/x-ndjson', target = server, id = sessionId) {
  const socket = createConnection(Number(new URL(target.url).port), '127.0.0.1');
  const connection = { socket, received: '', isClosed: false };
  socket.setEncoding('utf8').on('data', (text) => {
    connection.received += text;
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    connection.isClosed = true;
  });
  const head = [
    `POST /api/sessions/${id}/streams HTTP/1.1`,
    'Host: localhost',
    'X-Participant-Id: agent:bot',
    `Content-Type: ${type}`,
    'Transfer-Encoding: chunked',
  ].join('\r\n');
  socket.write(`${head}\r\n\r\n`);
  return connection;
}

function piece(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}

/** The stream that a request has begun, once it has. */
async function opened(): Promise<RunningStream> {
  await waitUntil(() => turns.registry.count === 1);
  return turns.registry.of(sessionId as SessionId)[0]!;
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
    const stream = begin();
    const response = await get(pathOf(stream), 'user:alice', { origin: server.url });
    say(stream, ', you');
    finish(stream);
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
      'finish',
    ]);
    await nothingIsLeft();
  });

  test('by the AI SDK itself, which resumes it from its midst', async () => {
    const stream = begin();
    const transport = new DefaultChatTransport({
      headers: { 'x-participant-id': 'user:alice' },
      prepareReconnectToStreamRequest: ({ id }) => ({
        api: `${server.url}/api/sessions/${sessionId}/streams/${id}`,
      }),
    });
    const chunks = await transport.reconnectToStream({ chatId: stream.facts.streamId });
    stream.push({ type: 'tool-input-start', toolCallId: 't', toolName: 'weather' }, 10);
    stream.push({ type: 'tool-input-available', toolCallId: 't', toolName: 'weather', input: { at: 1 } }, 10);
    say(stream, ', you');
    stream.push({ type: 'text-end', id: '1' }, 10);
    finish(stream);
    let read: UIMessage | null = null;
    for await (const message of readUIMessageStream({ stream: chunks! })) read = message;
    const { id, parts } = asJson(stream.ending!.message);
    expect(asJson(read)).toMatchObject({ id, parts });
    expect(await transport.reconnectToStream({ chatId: stream.facts.streamId })).toBeNull();
  });

  test('also before it has said anything', async () => {
    const stream = turns.open(sessionId);
    const response = await get(pathOf(stream));
    expect(response.status).toBe(200);
    finish(stream);
    expect(await response.text()).toBe('data: {"type":"finish"}\n\ndata: [DONE]\n\n');
  });

  test('204 when there is none; hidden as its session is', async () => {
    const stream = begin();
    const other = await addGroup(server, 'user:alice', 'agent:bot');
    const gone = await get(`/api/sessions/${sessionId}/streams/01K9WQ6Q8X1A5B7C9D0E1F2G3H`);
    expect([gone.status, await gone.text()]).toEqual([204, '']);
    expect((await get(`/api/sessions/${sessionId}/streams/none`)).status).toBe(204);
    // An id of a stream opens no other session.
    expect((await get(`/api/sessions/${other}/streams/${stream.facts.streamId}`)).status).toBe(204);
    for (const path of [pathOf(stream), pathOf(stream).replace(sessionId, other)]) {
      const hidden = await get(path, 'user:carol');
      expect([hidden.status, (await json(hidden)).code]).toEqual([404, 'session_not_found']);
    }
    finish(stream);
    await nothingIsLeft();
  });

  test('not by who is removed, or disabled: they are cut at once, others go on', async () => {
    const stream = begin();
    const stays = await get(pathOf(stream));
    const removed = await get(pathOf(stream), 'user:bob');
    const member = `/api/sessions/${sessionId}/members/user:bob`;
    await server.api('DELETE', member);
    expect(await isCut(removed)).toBe(true);
    await server.api('PUT', member);
    const disabled = await get(pathOf(stream), 'user:bob');
    await server.api('PUT', '/api/participants/user:bob', { body: { status: 'disabled' } });
    expect(await isCut(disabled)).toBe(true);
    await server.api('PUT', '/api/participants/user:bob', { body: { status: 'active' } });
    finish(stream);
    expect(await isCut(stays)).toBe(false);
  });

  test('and left: nothing of the reader stays', async () => {
    const stream = begin();
    const leaving = new AbortController();
    const response = await fetch(`${server.url}${pathOf(stream)}`, { signal: leaving.signal });
    expect(server.server.counts.subscribedTopics).toBe(1);
    leaving.abort();
    await expect(response.text()).rejects.toThrow();
    await waitUntil(() => server.server.counts.subscribedTopics === 0);
    finish(stream);
  });

  test('for longer than a connection may be silent: it gets comments meanwhile', async () => {
    const stream = begin();
    const response = await get(pathOf(stream));
    await silenceIsCut();
    finish(stream);
    const text = await response.text();
    expect(text).toContain(':\n\n');
    expect(text).toContain('[DONE]');
  });
});

describe('a stream is stopped', () => {
  test('by REST: one, or all of a session; the reply has the turns', async () => {
    const streams = [begin(), begin(), begin()];
    const [first, ...others] = streams.map(({ facts }) => facts);
    const path = `/api/sessions/${sessionId}/stop`;
    const one = await server.api('POST', path, { as: 'user:bob', body: { stream_id: first!.streamId } });
    expect([one.status, one.body]).toEqual([200, { stopped: [first!.turnId] }]);
    const all = await server.api('POST', path);
    expect(all.body).toEqual({ stopped: others.map(({ turnId }) => turnId) });
    expect((await server.api('POST', path, { as: 'user:carol' })).body.code).toBe('session_not_found');
    const invalid = await server.api('POST', path, { body: { stream_id: 'x' } });
    expect(invalid.body.errors).toEqual({ stream_id: ['must be a stream id'] });
  });

  test('by the channel; no chunk follows the terminal one', async () => {
    await using socket = await RawSocket.open(server.socketUrl('user:bob'));
    const topic = `session:${sessionId}`;
    socket.send(['1', '1', topic, 'phx_join', {}]);
    await socket.next();
    const stream = begin();
    socket.send(['1', '2', topic, 'stop', { stream_id: stream.facts.streamId }]);
    const reply = await socket.next((frame) => frame[1] === '2');
    expect(reply[4]).toEqual({ status: 'ok', response: { stopped: [stream.facts.turnId] } });
    say(stream, 'late');
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
  const lines = [
    '{"type":"text-start","id":"1"}',
    '{"type":"text-delta","id":"1","delta":"Hi"}',
    '{"type":"finish"}',
  ];

  test.each([
    ['text/event-stream', lines.map((line) => `data: ${line}\n\n`).join('')],
    ['application/x-ndjson; charset=utf-8', `${lines.join('\n')}\n`],
    ['application/jsonl', lines.join('\n')],
    ['text/plain', 'Hi'],
  ])('as %s', async (type, body) => {
    const answer = await post(body, type);
    const { turn_id, stream_id, message_id, ...rest } = await json(answer);
    expect(answer.status).toBe(200);
    expect([turn_id, stream_id, message_id]).toEqual(Array(3).fill(expect.stringMatching(/^[0-9A-Z]{26}$/)));
    expect(rest).toEqual({ seq: null, termination: 'finish' });
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
    const connection = open();
    const stream = await opened();
    connection.socket.write(piece(`${lines[0]}\n`));
    await silenceIsCut();
    expect(stream.ending).toBeNull();
    connection.socket.write(`${piece(`${lines[1]}\n${lines[2]}\n`)}0\r\n\r\n`);
    await waitUntil(() => connection.received.includes('"termination":"finish"'));
    // The connection serves on.
    connection.socket.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await waitUntil(() => connection.received.includes('{"status":"live"}'));
    connection.socket.destroy();
  });

  test('and stopped: the agent is told, though its body goes on', async () => {
    const connection = open();
    const stream = await opened();
    connection.socket.write(piece(`${lines[0]}\n`));
    await server.api('POST', `/api/sessions/${sessionId}/stop`);
    connection.socket.write(piece(`${lines[1]}\n`));
    await waitUntil(() => connection.received.includes('"termination":"stopped"'));
    expect(turns.registry.find(stream.facts.streamId)).toBeUndefined();
    // What is left of its body is hurried again.
    await waitUntil(() => connection.isClosed);
  });

  test('by who breaks off: the turn ends as interrupted', async () => {
    const connection = open();
    const stream = await opened();
    connection.socket.write(piece(`${lines[0]}\n`));
    await waitUntil(() => stream.compact().nextIndex === 1);
    connection.socket.destroy();
    await waitUntil(() => stream.ending !== null);
    expect(stream.ending!.termination).toBe('interrupted');
    expect(turns.failures.at(-1)).toBe('connection_lost');
  });

  test('S20: a body that is refused is no stream: it may not last', async () => {
    const connection = open('image/png');
    await waitUntil(() => connection.received.includes('unsupported_media_type'));
    await waitUntil(() => connection.isClosed);
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
  const stream = begin();
  const response = await get(pathOf(stream));
  finish(stream);
  await response.text();
  const lines = await scrape();
  const after = about(lines);
  expect(after.answered).not.toBe(before.answered);
  expect(after.timed).toBe(before.timed);
  expect(lines).toContain('fleetlm_streams_running 0');
  expect(lines).toContainEqual(expect.stringMatching(/^fleetlm_stream_chunks_total [1-9]\d*$/));
});

test('a drain waits for no stream: who reads is cut, who writes is told', async () => {
  const own = new ScriptedTurns();
  const draining = await startTestServer({ overrides: { turns: own.over } });
  await addParticipants(draining, 'user:alice', 'agent:bot');
  const id = await addGroup(draining, 'user:alice', 'agent:bot');
  const stream = own.open(id);
  const read = await fetch(`${draining.url}${pathOf(stream)}`);
  const writing = open('text/plain', draining, id);
  await waitUntil(() => own.registry.count === 2);
  const stopped = draining[Symbol.asyncDispose]();
  expect(await isCut(read)).toBe(true);
  await waitUntil(() => writing.received.includes('"termination":"interrupted"'));
  await stopped;
});
