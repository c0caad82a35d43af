import {
  AgentServer,
  answerText,
  answerWith,
  beginStream,
  finishStream,
  quietLog,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type AgentSession, say, startAgentSession, turnsAtRest } from './fixtures.ts';

/** What operators are told of turns: `fleetlm_agent_turns_total` says how they really ended. */

let server: TestServer;
let agent: AgentServer;
let database: Client;
const logged: object[] = [];

beforeAll(async () => {
  const log = { ...quietLog, debug: (fields: object) => void logged.push(fields) };
  server = await startTestServer({ overrides: { log } });
  agent = await AgentServer.start();
  database = new Client({ connectionString: server.database.url });
  await database.connect();
});
afterEach(() => {
  agent.answer = answerText('Hello');
});
afterAll(async () => {
  await database.end();
  await server[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
});

async function counts(): Promise<Record<string, number>> {
  const { body } = await server.api('GET', '/metrics');
  const samples = String(body).matchAll(/^fleetlm_agent_turns_total\{status="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...samples].map(([, status, total]) => [status!, Number(total)]));
}

/** How many more turns have ended, and how, when nothing runs any more. */
async function endsOf(act: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await counts();
  await act();
  await waitUntil(() => server.server.counts.turns === 0);
  const grown = Object.entries(await counts()).map(([status, total]) => [status, total - before[status]!]);
  return Object.fromEntries(grown.filter(([, by]) => by !== 0));
}

async function changeTurn({ id }: AgentSession, change: string): Promise<void> {
  await database.query(`update agent_turns set ${change} where session_id = $1`, [id]);
}

/** Somebody else changes the turn while the agent is called, which then refuses. */
async function refuseAfter(change: string): Promise<AgentSession> {
  const session = await startAgentSession(server, agent);
  agent.answer = async (response, call) => {
    await changeTurn(session, change);
    await answerWith(400, 'text/plain', 'no')(response, call);
  };
  await say(server, session);
  await turnsAtRest(server, session);
  return session;
}

test('a call that is refused: failed', async () => {
  expect(await endsOf(() => refuseAfter('attempt = attempt'))).toEqual({ failed: 1 });
});

test('one that meets a stop: stopped, and not failed', async () => {
  expect(await endsOf(() => refuseAfter('stop_requested_at = now()'))).toEqual({ stopped: 1 });
});

test('one that another node has taken over: nothing, it ends there', async () => {
  expect(await endsOf(() => refuseAfter(`epoch = epoch + 1, status = 'completed'`))).toEqual({});
});

test('too many takeovers: dead', async () => {
  const session = await startAgentSession(server, agent, { status: 'disabled' });
  await say(server, session);
  const ends = await endsOf(async () => {
    await changeTurn(session, `status = 'running', attempt = 20, lease_until = now()`);
    await server.api('PUT', `/api/agents/${session.agentId}/endpoint`, { body: { status: 'enabled' } });
    await turnsAtRest(server, session);
  });
  expect(ends).toEqual({ dead: 1 });
  const [turn] = await turnsAtRest(server, session);
  expect(turn.error).toBe('too_many_attempts: nodes that called it are gone');
});

test('lines that are no chunks are dropped, and the log says how many', async () => {
  agent.answer = (response) => {
    beginStream(response);
    response.write('data: {"type": 7}\n\ndata: {"type":\n\n');
    finishStream(response);
  };
  const session = await startAgentSession(server, agent);
  await say(server, session);
  const [turn] = await turnsAtRest(server, session);
  expect(turn.status).toBe('completed');
  expect(logged).toContainEqual({ turn_id: turn.id, dropped_lines: 2 });
});
