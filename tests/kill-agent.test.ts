/**
 * An agent that is killed with `kill -9` while it streams: everyone sees the same end of it, and the same text, who
 * followed and who comes later.
 */
import { fileURLToPath } from 'node:url';
import {
  callApi,
  isTerminal,
  SessionClient,
  SpawnedProcess,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** What is promised to everyone (docs: agents); a connection that is reset tells at once. */
const endWithinMs = 12_000;

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  await server.api('PUT', '/api/participants/user:alice', { body: {} });
});
afterAll(() => server[Symbol.asyncDispose]());

test.concurrent.each(['chunked', 'sized', 'ndjson', 'text', 'http-1.0', 'ndjson-1.0'])(
  'an agent that dies while it streams (%s): all see the same end and the same text',
  async (path) => {
    await using agent = await startTalkingAgent();
    const sessionId = await startSession(`agent:${path}`, `${agent.url}/${path}`);
    await using asker = await join(sessionId);
    await asker.say('Talk to me');
    await waitUntil(() => textOf(asker).includes(' 20 '), { what: 'twenty words' });
    await using late = await SessionClient.open(server.socketUrl('user:alice'), sessionId);
    const [running] = (await late.join()).response.streams;
    await waitUntil(() => textOf(late).length > 0, { what: 'a word for who joined late' });

    const killedMs = performance.now();
    agent.process.kill('SIGKILL');
    const clients = [asker, late];
    await waitUntil(() => clients.every((client) => client.seqs.includes(2)), { timeoutMs: endWithinMs });
    const tookMs = Math.round(performance.now() - killedMs);
    process.stdout.write(`${path}: a killed agent's answer had ended everywhere after ${tookMs} ms\n`);

    const [, message] = await messagesOf(sessionId);
    expect(message).toMatchObject({ kind: 'assistant', metadata: { termination: 'interrupted' } });
    const [part] = message.content.parts;
    expect(part).toMatchObject({ type: 'text', state: 'streaming' });
    expect(countTo(part.text)).toBe(part.text);
    expect(textOf(asker)).toBe(part.text);
    expect(textIn(running.chunks) + textOf(late)).toBe(part.text);
    const ends = clients.map((client) => client.pushes.slice(-2));
    expect(ends[0]).toMatchObject([
      { event: 'stream_chunk', payload: { chunk: { type: 'error' }, message_id: message.id } },
      { event: 'message', payload: { id: message.id, content: message.content } },
    ]);
    expect(ends[1]).toEqual(ends[0]);
    for (const client of clients)
      expect(client.pushes.filter(({ payload }) => isTerminal(payload.chunk))).toHaveLength(1);

    await using later = await SessionClient.open(server.socketUrl('user:alice'), sessionId);
    const { response } = await later.join({ last_seq: 1 });
    expect(response.messages).toEqual([message]);
    expect(response.streams).toEqual([]);
    const { body } = await server.api('GET', `/api/agents/agent:${path}/turns`);
    expect(body.turns).toMatchObject([{ status: 'failed', attempt: 1, message_id: message.id }]);
    expect(body.turns[0].error).toMatch(/^connection_lost/);
  },
);

interface TalkingAgent extends AsyncDisposable {
  readonly url: string;
  readonly process: SpawnedProcess;
}

async function startTalkingAgent(): Promise<TalkingAgent> {
  const script = fileURLToPath(new URL('talking-agent.ts', import.meta.url));
  const child = new SpawnedProcess(process.execPath, [script]);
  const [, url] = await child.untilPrinted(/talks on (\S+)/);
  return { url: url!, process: child, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
}

async function startSession(agentId: string, originUrl: string): Promise<string> {
  await server.api('PUT', `/api/participants/${agentId}`, { body: { kind: 'agent' } });
  await server.api('PUT', `/api/agents/${agentId}/endpoint`, { body: { origin_url: originUrl } });
  const body = { initiator_id: 'user:alice', peer_id: agentId };
  const answer = await callApi(server.url, 'POST', '/api/sessions', { body });
  return answer.body.session.id;
}

async function join(sessionId: string): Promise<SessionClient> {
  const client = await SessionClient.open(server.socketUrl('user:alice'), sessionId);
  await client.join();
  return client;
}

// biome-ignore lint/suspicious/noExplicitAny: messages of any shape
async function messagesOf(sessionId: string): Promise<any[]> {
  return (await server.api('GET', `/api/sessions/${sessionId}/messages`)).body.messages;
}

function textOf(client: SessionClient): string {
  return textIn(client.pushes.flatMap(({ payload }) => payload.chunk ?? []));
}

function textIn(chunks: readonly { readonly delta?: string }[]): string {
  return chunks.map(({ delta = '' }) => delta).join('');
}

/** What the agent has said by then: `1 2 3 …`. */
function countTo(text: string): string {
  return text
    .split(' ')
    .slice(0, -1)
    .map((_, index) => `${index + 1} `)
    .join('');
}
