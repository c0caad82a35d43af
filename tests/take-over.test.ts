/** Two nodes on one database: what one of them lets go, the other ends; what it has lost, it leaves alone. */
import {
  AgentServer,
  beginStream,
  finishStream,
  isTerminal,
  SessionClient,
  type SpawnedServer,
  spawnServer,
  startTestServer,
  type TestDatabase,
  type TestServer,
  testDatabase,
  waitUntil,
  writeDelta,
} from '@fleetlm/testkit';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';

/** Of leases, a sweep, and the next call: what is promised for the end of streams. */
const takeOverWithinMs = 12_000;

// Each waits for leases most of its time, which is half of what a test may take otherwise.
describe.concurrent('two nodes', { timeout: 60_000 }, () => {
  test('one dies with running turns: the other ends the stream, and calls again who had shown nothing', async () => {
    await using database = await testDatabase();
    await using node = await spawnServer({ env: { DATABASE_URL: database.url } });
    await using other = await startTestServer({ database });
    await using streaming = await AgentServer.start((response) => {
      beginStream(response);
      for (let word = 1; word <= 50; word++) writeDelta(response, `${word} `);
    });
    await using thinking = await AgentServer.start(() => {});
    const streamed = await startSession(node, 'agent:streaming', streaming);
    const awaited = await startSession(node, 'agent:thinking', thinking);
    await using reader = await follow(other, streamed);
    await using waiting = await follow(other, awaited);
    await say(node, streamed);
    await say(node, awaited);
    await waitUntil(() => thinking.calls.length === 1);
    await waitUntil(async () => (await select(database, 'select from agent_stream_segments')).length > 0);
    thinking.answer = (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end('{"text":"Here I am"}');
    };

    const killedMs = performance.now();
    node.process.kill('SIGKILL');
    await waitUntil(() => [reader, waiting].every((client) => client.seqs.includes(2)), {
      timeoutMs: takeOverWithinMs,
    });
    const tookMs = Math.round(performance.now() - killedMs);
    process.stdout.write(`turns of a node that died were taken over after ${tookMs} ms\n`);

    // The end, and then what it has become; between them the question, of which nobody here had heard.
    expect(reader.pushes).toMatchObject([
      { event: 'stream_chunk', payload: { chunk: { type: 'error' } } },
      { event: 'message', payload: { seq: 1 } },
      { event: 'message', payload: { seq: 2, metadata: { termination: 'interrupted' } } },
    ]);
    const [, partial] = await messagesOf(other, streamed);
    const words = Array.from({ length: 50 }, (_, index) => `${index + 1} `).join('');
    expect(partial.content.parts).toEqual([{ type: 'text', text: words, state: 'streaming' }]);
    expect((await messagesOf(other, awaited))[1].content).toEqual({ text: 'Here I am' });
    expect(await turnsOf(other, 'agent:streaming')).toMatchObject([
      { status: 'failed', attempt: 1, message_id: partial.id, error: expect.stringMatching(/^interrupted/) },
    ]);
    expect(await turnsOf(other, 'agent:thinking')).toMatchObject([{ status: 'completed', attempt: 2 }]);
    expect(streaming.calls).toHaveLength(1);
    expect(thinking.calls.map(({ data }) => data.attempt)).toEqual([1, 2]);
    expect(await select(database, 'select from agent_stream_segments')).toEqual([]);
  });

  test('one whose turn was taken over stores nothing of it, though its agent finishes', async () => {
    await using database = await testDatabase();
    await using node = await startTestServer({ database });
    const gate = Promise.withResolvers<void>();
    await using agent = await AgentServer.start(async (response) => {
      beginStream(response);
      writeDelta(response, 'I was too late');
      await gate.promise;
      finishStream(response);
    });
    const session = await startSession(node, 'agent:late', agent);
    await using reader = await follow(node, session);
    await say(node, session);
    await waitUntil(() => textOf(reader) === 'I was too late');
    await takeOver(database);
    gate.resolve();
    await waitUntil(() => terminalsOf(reader).length > 0);
    await expectUntouched(node, session);
    expect(terminalsOf(reader)).toMatchObject([{ type: 'error' }]);
  });

  test('one whose turn was taken over hangs up within a renewal, and shows nothing more', async () => {
    await using database = await testDatabase();
    await using node = await startTestServer({ database });
    await using agent = await AgentServer.start((response) => {
      beginStream(response);
      const timer = setInterval(() => writeDelta(response, 'on '), 10);
      response.on('close', () => clearInterval(timer));
    });
    const session = await startSession(node, 'agent:endless', agent);
    await using reader = await follow(node, session);
    await say(node, session);
    await waitUntil(() => textOf(reader).length > 0);
    await takeOver(database);
    await waitUntil(() => agent.calls[0]!.isAborted(), { what: 'the call is aborted', timeoutMs: 10_000 });
    await waitUntil(() => terminalsOf(reader).length > 0);
    const shown = reader.pushes.length;
    await expectUntouched(node, session);
    expect(reader.pushes).toHaveLength(shown);
    expect(terminalsOf(reader)).toHaveLength(1);
  });
});

/** As another node does it whose clock says that the lease has run out. */
async function takeOver(database: TestDatabase): Promise<void> {
  await select(
    database,
    `update agent_turns set epoch = epoch + 1, lease_owner = 'another', lease_until = now() + interval '1 minute'`,
  );
}

/** The turn is the other node's, and there is no message but the one that woke the agent. */
async function expectUntouched(node: TestServer, session: Session): Promise<void> {
  expect(await messagesOf(node, session)).toHaveLength(1);
  expect(await turnsOf(node, session.agentId)).toMatchObject([{ status: 'running', attempt: 1 }]);
}

type Node = Pick<TestServer | SpawnedServer, 'api' | 'socketUrl'>;

interface Session {
  readonly id: string;
  readonly agentId: string;
}

async function startSession({ api }: Node, agentId: string, agent: AgentServer): Promise<Session> {
  await api('PUT', '/api/participants/user:alice', { body: {} });
  await api('PUT', `/api/participants/${agentId}`, { body: { kind: 'agent' } });
  await api('PUT', `/api/agents/${agentId}/endpoint`, { body: { origin_url: agent.url } });
  const members = { initiator_id: 'user:alice', peer_id: agentId };
  const { body } = await api('POST', '/api/sessions', { body: members });
  return { id: body.session.id, agentId };
}

async function say({ api }: Node, { id }: Session): Promise<void> {
  const body = { sender_id: 'user:alice', content: { text: 'Hello' } };
  await api('POST', `/api/sessions/${id}/messages`, { body });
}

async function follow(node: Node, { id }: Session): Promise<SessionClient> {
  const client = await SessionClient.open(node.socketUrl('user:alice'), id);
  await client.join();
  return client;
}

// biome-ignore lint/suspicious/noExplicitAny: messages of any shape
async function messagesOf({ api }: Node, { id }: Session): Promise<any[]> {
  return (await api('GET', `/api/sessions/${id}/messages`)).body.messages;
}

async function turnsOf({ api }: Node, agentId: string): Promise<object[]> {
  return (await api('GET', `/api/agents/${agentId}/turns`)).body.turns;
}

function textOf(client: SessionClient): string {
  return client.pushes.map(({ payload }) => payload.chunk?.delta ?? '').join('');
}

function terminalsOf(client: SessionClient): object[] {
  return client.pushes.map(({ payload }) => payload.chunk).filter(isTerminal);
}

async function select(database: TestDatabase, text: string): Promise<object[]> {
  const client = new Client(database.target);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}
