import {
  AgentServer,
  addGroup,
  addParticipants,
  answerWith,
  inSeconds,
  type RawFrame,
  SessionClient,
  StreamWriter,
  signToken,
  startTestServer,
  type TestServer,
  testSecret,
  waitUntil,
} from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { messagesOf, pushesOf, timelineOf, turnsAtRest, turnsOf } from './fixtures.ts';

/** Streams that agents write over their own connections: turns like any other. */

const text = [
  { type: 'text-start', id: '1' },
  { type: 'text-delta', id: '1', delta: 'Hi' },
];
const lines = [...text, { type: 'finish' }].map((chunk) => JSON.stringify(chunk));

let server: TestServer;
/** While it is there, the answer to the statement that opens a turn is held back. */
let heldOpening: Promise<void> | null = null;
let count = 0;

beforeAll(async () => {
  server = await startTestServer({
    overrides: {
      wrapDb: (db) => ({
        ...db,
        countConnections: () => db.countConnections(),
        close: () => db.close(),
        query: async (statement, values) => {
          const rows = await db.query(statement, values);
          if (statement.name === 'open-written-turn') await heldOpening;
          return rows as never;
        },
      }),
    },
  });
  await addParticipants(server, 'user:alice');
});
afterAll(() => server[Symbol.asyncDispose]());

/** A group of somebody who watches and an agent that has no endpoint. */
async function startSession() {
  count += 1;
  const agentId = `agent:writer-${count}`;
  await addParticipants(server, agentId);
  const id = await addGroup(server, 'user:alice', agentId);
  const client = await SessionClient.open(server.socketUrl('user:alice'), id);
  await client.join();
  return { id, agentId, client };
}

type Session = Awaited<ReturnType<typeof startSession>>;

function post({ id, agentId }: Session, body: string, type = 'text/plain'): Promise<Response> {
  const headers = { 'content-type': type, 'x-participant-id': agentId };
  return fetch(`${server.url}/api/sessions/${id}/streams`, { method: 'POST', headers, body });
}

/** A stream whose writer has said something, and then says nothing. */
async function beginWriting({ id, agentId, client }: Session, isByService = false): Promise<StreamWriter> {
  const writer = new StreamWriter(server.url, { sessionId: id, agentId, isByService });
  writer.writeLines(...text);
  await waitUntil(() => timelineOf(client).includes('text-delta'));
  return writer;
}

/** What a writer is answered in the end. */
async function answerTo(writer: StreamWriter): Promise<RawFrame> {
  const body = await waitUntil(() => /\{"turn_id".*\}/.exec(writer.received)?.[0]);
  writer.destroy();
  return JSON.parse(body);
}

/** That the stream has ended, once and for everybody, as `terminal` says, and what is stored of it. */
async function expectCut(session: Session, writer: StreamWriter, terminal: string): Promise<RawFrame> {
  const answer = await answerTo(writer);
  await waitUntil(() => server.server.counts.turns === 0);
  await session.client.socket.settle();
  const chunks = pushesOf(session.client, 'stream_chunk');
  expect(chunks.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  expect(chunks.map(({ chunk }) => chunk.type)).toEqual(['start', 'text-start', 'text-delta', terminal]);
  return answer;
}

describe('a stream that an agent writes', () => {
  test.each([
    ['text/event-stream', lines.map((line) => `data: ${line}\n\n`).join('')],
    ['application/x-ndjson; charset=utf-8', `${lines.join('\n')}\n`],
    ['application/jsonl', lines.join('\n')],
    ['text/plain', 'Hi'],
  ])('as %s is shown, and stored as its message', async (type, body) => {
    const session = await startSession();
    const response = await post(session, body, type);
    const answer = (await response.json()) as RawFrame;
    expect([response.status, answer.seq, answer.termination]).toEqual([200, 1, 'finish']);
    await waitUntil(() => timelineOf(session.client).at(-1) === 'message assistant');
    expect(timelineOf(session.client).at(-2)).toBe('finish');
    const chunks = pushesOf(session.client, 'stream_chunk');
    expect(chunks.map(({ index }) => index)).toEqual(chunks.map((_, n) => n));
    const { turn_id, stream_id, message_id } = answer;
    for (const chunk of chunks) {
      expect(chunk).toMatchObject({ turn_id, stream_id, message_id, agent_id: session.agentId });
    }
    const [message] = await messagesOf(server, session);
    expect(message).toMatchObject({ id: message_id, sender_id: session.agentId, kind: 'assistant' });
    expect(message.content.parts).toMatchObject([{ type: 'text', text: 'Hi' }]);
    expect(message.metadata).toMatchObject({ termination: 'finish', turn_id });
    expect(await turnsAtRest(server, session)).toMatchObject([
      { id: turn_id, status: 'completed', stream_id, reply_seq: 1 },
    ]);
  });

  test('is its only one there: 409 until it has ended', async () => {
    const session = await startSession();
    const writer = await beginWriting(session);
    const second = await post(session, 'too');
    expect([second.status, ((await second.json()) as RawFrame).code]).toEqual([409, 'turn_running']);
    writer.end();
    expect(await answerTo(writer)).toMatchObject({ seq: 1 });
    expect((await post(session, 'now')).status).toBe(200);
  });

  test('is stopped while its writer says nothing: it is told at once, and all see the same', async () => {
    const session = await startSession();
    const writer = await beginWriting(session);
    const [{ stream_id }] = pushesOf(session.client, 'stream_chunk');
    const stopped = await server.api('POST', `/api/sessions/${session.id}/stop`, { body: { stream_id } });
    const answer = await expectCut(session, writer, 'abort');
    expect(answer).toMatchObject({ seq: 1, termination: 'stopped' });
    expect(stopped.body).toEqual({ stopped: [answer.turn_id] });
    const [message] = await messagesOf(server, session);
    expect(message.content.parts).toMatchObject([{ text: 'Hi' }]);
    expect(message.metadata.termination).toBe('stopped');
    expect(await turnsAtRest(server, session)).toMatchObject([{ status: 'stopped' }]);
  });

  test('is interrupted by a writer that breaks off; what it has said is kept', async () => {
    const session = await startSession();
    const writer = await beginWriting(session);
    writer.destroy();
    await waitUntil(() => timelineOf(session.client).at(-1) === 'message assistant');
    const [message] = await messagesOf(server, session);
    expect(message.content.parts).toMatchObject([{ text: 'Hi' }]);
    expect(message.metadata.termination).toBe('interrupted');
    const [turn] = await turnsAtRest(server, session);
    expect([turn.status, turn.error]).toEqual(['failed', expect.stringContaining('connection_lost')]);
  });

  test.each([
    [
      'who writes is removed',
      ({ id, agentId }: Session) => server.api('DELETE', `/api/sessions/${id}/members/${agentId}`),
    ],
    [
      'the session is closed',
      ({ id }: Session) => server.api('PATCH', `/api/sessions/${id}`, { body: { status: 'closed' } }),
    ],
  ])('is cut when %s: nothing is stored', async (_what, change) => {
    const session = await startSession();
    const writer = await beginWriting(session);
    expect((await change(session)).status).toBe(200);
    expect(await expectCut(session, writer, 'error')).toMatchObject({ seq: null, termination: 'error' });
    expect(await messagesOf(server, session)).toEqual([]);
    expect(await turnsAtRest(server, session)).toMatchObject([{ status: 'failed', reply_seq: null }]);
  });

  test('is cut when who writes is removed while its turn opens', async () => {
    const session = await startSession();
    const held = Promise.withResolvers<void>();
    heldOpening = held.promise;
    const { id, agentId } = session;
    const writer = new StreamWriter(server.url, { sessionId: id, agentId });
    await waitUntil(async () => (await turnsOf(server, session)).length > 0);
    await server.api('DELETE', `/api/sessions/${id}/members/${agentId}`);
    heldOpening = null;
    held.resolve();
    expect(await answerTo(writer)).toMatchObject({ seq: null });
    expect(await turnsAtRest(server, session)).toMatchObject([{ status: 'failed' }]);
  });

  test.each([['itself'], ['the service for it']])(
    'is cut when its agent is disabled, written by %s',
    async (by) => {
      const session = await startSession();
      const writer = await beginWriting(session, by !== 'itself');
      await server.api('PUT', `/api/participants/${session.agentId}`, { body: { status: 'disabled' } });
      const answer = await expectCut(session, writer, 'error');
      expect(answer).toMatchObject({ seq: 1, termination: 'interrupted' });
      expect(await turnsAtRest(server, session)).toMatchObject([
        { status: 'failed', error: expect.stringContaining('the participant is disabled') },
      ]);
    },
  );

  test('wakes other agents at the hop of what it was asked last', async () => {
    const { id, agentId } = await startSession();
    await using agent = await AgentServer.start(answerWith(204, 'text/plain', ''));
    const listener = { id, agentId: `${agentId}-listener` };
    await addParticipants(server, listener.agentId);
    for (const each of [agentId, listener.agentId]) {
      await server.api('PUT', `/api/agents/${each}/endpoint`, { body: { origin_url: agent.url } });
    }
    const wake = { body: { wake: 'always' } };
    await server.api('PUT', `/api/sessions/${id}/members/${listener.agentId}`, wake);
    const write = async () => {
      const path = `/api/sessions/${id}/streams?agent_id=${agentId}`;
      expect((await server.api('POST', path, { text: 'Hi' })).status).toBe(200);
      return (await turnsAtRest(server, listener))[0].hop;
    };
    // Nobody has asked it: as a person would.
    expect(await write()).toBe(1);
    const ask = { content: {}, sender_id: 'user:alice', metadata: { mentions: [agentId] } };
    await server.api('POST', `/api/sessions/${id}/messages`, { body: ask });
    await waitUntil(async () => (await turnsAtRest(server, { id, agentId })).length === 2);
    expect(await write()).toBe(2);
  });
});

test('a stream is cut with the token that it is written with', async () => {
  await using guarded = await startTestServer({
    env: { FLEETLM_JWT_SECRET: testSecret, FLEETLM_JWT_LEEWAY_MS: '0' },
    overrides: { httpTimeouts: { streamSweepMs: 20 } },
  });
  const token = await signToken({ sub: 'backend', role: 'service' });
  const backend: Pick<TestServer, 'api'> = {
    api: (method, path, options) => guarded.api(method, path, { token, ...options }),
  };
  await addParticipants(backend, 'user:alice', 'agent:bot');
  const sessionId = await addGroup(backend, 'user:alice', 'agent:bot');
  const own = await signToken({ sub: 'agent:bot', exp: inSeconds(1) });
  const writer = new StreamWriter(guarded.url, { sessionId, agentId: 'agent:bot', token: own });
  writer.writeLines(...text);
  expect(await answerTo(writer)).toMatchObject({ seq: 1, termination: 'interrupted' });
  const { body } = await backend.api('GET', '/api/agents/agent:bot/turns');
  expect(body.turns).toMatchObject([{ error: expect.stringContaining('the token is over') }]);
});
