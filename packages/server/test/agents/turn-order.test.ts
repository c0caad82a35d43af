import {
  type AgentCall,
  AgentServer,
  answerText,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AgentSession,
  makeAgent,
  makeSession,
  messagesOf,
  say,
  startAgentGroup,
  startAgentSession,
  turnsAtRest,
  turnsOf,
} from './fixtures.ts';

/** When an agent is called, and with what: bursts, agents that are away, agents among themselves. */

let server: TestServer;
let agent: AgentServer;

beforeAll(async () => {
  server = await startTestServer({ env: { FLEETLM_HOP_LIMIT: '4' } });
  agent = await AgentServer.start(answerText('Hello'));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
});

/** The calls of the session, as they came. */
function callsOf({ id }: AgentSession): AgentCall[] {
  return agent.calls.filter((call) => call.data.session.id === id);
}

/** Lets two agents talk to each other; returns what is in their session once nobody is called any more. */
async function talkAmongAgents() {
  const first = await makeAgent(server, agent.url);
  const second = await makeAgent(server, agent.url);
  const id = await makeSession(server, { initiator_id: first, peer_id: second });
  const body = { sender_id: first, content: { text: 'Hi' } };
  await server.api('POST', `/api/sessions/${id}/messages`, { body });
  const session = { id, agentId: second };
  await waitUntil(async () => (await messagesOf(server, session)).at(-1)?.kind === 'system');
  return { messages: await messagesOf(server, session), first, second };
}

describe.concurrent('a burst', () => {
  test('is one call, once nobody has written for as long as the debounce', async () => {
    const session = await startAgentSession(server, agent, { debounce_ms: 1_000 });
    for (const text of ['one', 'two', 'three']) await say(server, session, text);
    expect(await turnsOf(server, session)).toMatchObject([{ status: 'pending', from_seq: 1, to_seq: 3 }]);
    expect(await turnsAtRest(server, session)).toMatchObject([
      { status: 'completed', from_seq: 1, to_seq: 3 },
    ]);
    expect(callsOf(session).map((call) => call.data.messages.length)).toEqual([3]);
  });

  test.each([
    [0, 1],
    [1, 0],
  ])('of a group calls each agent when its own debounce is over: agent %i first', async (soon, late) => {
    const debounces = soon === 0 ? [20, 300] : [300, 20];
    const endpoints = debounces.map((debounce_ms) => ({ debounce_ms }));
    await using quiet = await AgentServer.start((response) => void response.writeHead(204).end());
    const session = await startAgentGroup(server, [quiet, quiet], endpoints);
    await say(server, session);
    for (const agentId of session.agentIds) await turnsAtRest(server, { ...session, agentId });
    expect(quiet.calls.map((call) => call.data.agent_id)).toEqual([
      session.agentIds[soon],
      session.agentIds[late],
    ]);
    // Claimed by one statement they would be called at once.
    const [first, second] = quiet.calls.map((call) => Date.parse(JSON.parse(call.rawBody).timestamp));
    expect(second! - first!).toBeGreaterThan(50);
  });
});

// Nobody tells of an agent that is back: each waits for the sweep, all at the same time.
describe.concurrent('an agent that is away', () => {
  test('keeps its pending turn while it is disabled, and is called when it is back', async () => {
    const session = await startAgentSession(server, agent);
    const path = `/api/participants/${session.agentId}`;
    await server.api('PUT', path, { body: { status: 'disabled' } });
    await say(server, session, 'Hi');
    await say(server, session, 'Hello?');
    expect(await turnsOf(server, session)).toMatchObject([{ status: 'pending', from_seq: 1, to_seq: 2 }]);
    await server.api('PUT', path, { body: { status: 'active' } });
    expect(await turnsAtRest(server, session)).toMatchObject([
      { status: 'completed', from_seq: 1, to_seq: 2 },
    ]);
    expect(callsOf(session)).toHaveLength(1);
  });

  test('without an endpoint has no turns', async () => {
    await using agent = await AgentServer.start();
    const session = await startAgentSession(server, agent);
    await server.api('DELETE', `/api/agents/${session.agentId}/endpoint`);
    await say(server, session);
    expect(await turnsOf(server, session)).toEqual([]);
  });

  test.each([
    ['the session is closed', 'session_closed', 'PATCH', { status: 'closed' }],
    ['it is no member any more', 'not_a_member', 'DELETE', undefined],
  ] as const)('is not called where %s', async (_name, reason, method, body) => {
    await using agent = await AgentServer.start();
    const session = await startAgentGroup(server, [agent], [{ status: 'disabled' }]);
    await say(server, session);
    const member = method === 'DELETE' ? `/members/${session.agentId}` : '';
    expect((await server.api(method, `/api/sessions/${session.id}${member}`, { body })).status).toBe(200);
    await server.api('PUT', `/api/agents/${session.agentId}/endpoint`, { body: { status: 'enabled' } });
    expect(await turnsAtRest(server, session)).toMatchObject([{ status: 'failed', error: reason }]);
    expect(callsOf(session)).toEqual([]);
    expect((await messagesOf(server, session)).filter((message) => message.metadata.turn_id)).toEqual([]);
  });
});

test('agents that answer each other end at the hop limit, with one message that says so', async () => {
  const { messages, first, second } = await talkAmongAgents();
  expect(messages.map((message) => message.sender_id)).toEqual([
    ...[first, second, first, second, first],
    'system:fleetlm',
  ]);
  expect(messages.at(-1)).toMatchObject({
    metadata: { reason: 'hop_limit', message_id: messages.at(-2)!.id },
  });
  for (const agentId of [first, second]) {
    const turns = await turnsOf(server, { id: '', agentId });
    expect(turns.map((turn) => turn.status)).toEqual(['completed', 'completed']);
  }
});
