import type { ServerResponse } from 'node:http';
import {
  AgentServer,
  addGroup,
  addParticipants,
  StreamWriter,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { joinAs, say, startAgentSession, turnsAtRest, turnsOf, userIdOf } from './fixtures.ts';

const maxPerAgent = 2;

let server: TestServer;
let other: AgentServer;

beforeAll(async () => {
  const env = { FLEETLM_AGENT_CONCURRENCY: String(maxPerAgent), FLEETLM_TURNS_MAX: '3' };
  server = await startTestServer({ env });
  other = await AgentServer.start();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

/** An agent that answers when a test lets it, and counts how many it keeps waiting. */
async function startPatientAgent() {
  const waiting: ServerResponse[] = [];
  let most = 0;
  const agent = await AgentServer.start((response) => {
    waiting.push(response);
    most = Math.max(most, waiting.length);
  });
  return { agent, waiting, most: () => most, answer: () => waiting.shift()?.writeHead(204).end() };
}

describe('turns at once', () => {
  test('of one agent are as many as it may have, however many wait; then all the others', async () => {
    const { agent, waiting, most, answer } = await startPatientAgent();
    await using _ = agent;
    const first = await startAgentSession(server, agent);
    const userId = userIdOf(first.agentId);
    const more = await Promise.all(
      Array.from({ length: 11 }, async () => {
        const body = { initiator_id: userId, peer_id: first.agentId };
        const made = await server.api('POST', '/api/sessions', { body });
        return { ...first, id: made.body.session.id };
      }),
    );
    await Promise.all([first, ...more].map((session) => say(server, session, 'Hi')));
    for (let answered = 0; answered < 12; answered++) {
      await waitUntil(() => waiting.length > 0);
      // Another agent is not among those that wait.
      if (answered === 4) await turnsAtRest(server, await askOther());
      answer();
    }
    await turnsAtRest(server, first);
    expect(most()).toBeLessThanOrEqual(maxPerAgent);
    expect(agent.calls).toHaveLength(12);
  });

  test('of agents whose people go on talking keep no other agent waiting', async () => {
    await using busy = await AgentServer.start((response) => {
      setTimeout(() => response.writeHead(204).end(), 20);
    });
    const pairs = await Promise.all(Array.from({ length: 16 }, () => startAgentSession(server, busy)));
    let goOn = true;
    const talks = pairs.map(async (session) => {
      while (goOn) await say(server, session, 'and');
    });
    await waitUntil(() => busy.calls.length > 20);
    try {
      await turnsAtRest(server, await askOther());
    } finally {
      goOn = false;
      await Promise.all(talks);
    }
    await Promise.all(pairs.map((session) => turnsAtRest(server, session)));
  });

  test('of an agent that writes by itself keep nobody from being called', async () => {
    await addParticipants(server, 'user:w', 'agent:writer');
    const ids = await Promise.all(
      Array.from({ length: maxPerAgent + 1 }, () => addGroup(server, 'user:w', 'agent:writer')),
    );
    const writers = ids
      .slice(0, maxPerAgent)
      .map((sessionId) => new StreamWriter(server.url, { sessionId, agentId: 'agent:writer' }));
    await waitUntil(() => server.server.counts.turns === maxPerAgent);
    const refused = await fetch(`${server.url}/api/sessions/${ids.at(-1)}/streams`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain', 'x-participant-id': 'agent:writer' },
      body: 'Hi',
    });
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([503, 'overloaded']);
    await turnsAtRest(server, await askOther());
    for (const writer of writers) writer.destroy();
    await waitUntil(() => server.server.counts.turns === 0);
  });
});

describe('a stream that an agent writes', () => {
  test.each([
    ['says nothing for too long', { idle_timeout_ms: 100 }, 'idle_timeout'],
    ['takes too long', { max_duration_ms: 100 }, 'duration_exceeded'],
  ])('and that %s ends as one that was called would', async (_, endpoint, reason) => {
    const session = await startAgentSession(server, other, endpoint);
    await using client = await joinAs(server, session);
    const writer = new StreamWriter(server.url, { sessionId: session.id, agentId: session.agentId });
    writer.writeLines({ type: 'text-start', id: '1' }, { type: 'text-delta', id: '1', delta: 'Hi' });
    await waitUntil(() => writer.received.includes('"termination":"error"'));
    writer.destroy();
    const [turn] = await turnsAtRest(server, session);
    expect([turn.status, turn.error.split(':')[0]]).toEqual(['failed', reason]);
    expect(client.seqs.at(-1) ?? 0).toBeLessThanOrEqual(1);
  });

  test('in an empty session is listed, and answers nobody: it is not redelivered', async () => {
    const session = await startAgentSession(server, other, { idle_timeout_ms: 100 });
    const writer = new StreamWriter(server.url, { sessionId: session.id, agentId: session.agentId });
    await waitUntil(async () => (await turnsOf(server, session)).length === 1);
    const [turn] = await turnsAtRest(server, session);
    writer.destroy();
    expect(turn).toMatchObject({ from_seq: 0, to_seq: 0, status: 'failed' });
    const path = `/api/agents/${session.agentId}/turns/${turn.id}/redeliver`;
    expect((await server.api('POST', path)).status).toBe(422);
  });

  test('is stopped by a message of somebody who may interrupt, and not answered with it', async () => {
    const session = await startAgentSession(server, other, { when_busy: 'interrupt' });
    await say(server, session, 'first');
    await turnsAtRest(server, session);
    const writer = new StreamWriter(server.url, { sessionId: session.id, agentId: session.agentId });
    await waitUntil(() => server.server.counts.turns === 1);
    await say(server, session, 'second');
    await waitUntil(async () => {
      const [newest] = await turnsAtRest(server, session);
      return newest.status === 'completed' && newest.to_seq === 3;
    });
    writer.destroy();
    const [answered, written] = await turnsOf(server, session);
    expect([answered.from_seq, answered.hop, written.status]).toEqual([3, 1, 'stopped']);
  });
});

async function askOther() {
  const session = await startAgentSession(server, other);
  await say(server, session, 'Hi');
  return session;
}
