import {
  type AgentServer,
  answerText,
  beginStream,
  finishStream,
  type TestServer,
  waitUntil,
  writeDelta,
} from '@fleetlm/testkit';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import {
  joinAs,
  messagesOf,
  pushesOf,
  startAgentSession,
  timelineOf,
  turnsAtRest,
  userIdOf,
} from './fixtures.ts';
import { useAgentServer } from './use-agent-server.ts';

let server: TestServer;
let agent: AgentServer;

useAgentServer((world) => {
  ({ server, agent } = world);
});

test('a message wakes the agent; its answer streams, ends, and is stored, in this order', async () => {
  agent.answer = answerText('Good morning, Alice');
  const session = await startAgentSession(server, agent);
  await using client = await joinAs(server, session);
  await client.say('Hi');
  const [turn] = await turnsAtRest(server, session);
  await waitUntil(() => pushesOf(client, 'message').length === 2);
  expect(turn).toMatchObject({
    status: 'completed',
    from_seq: 1,
    to_seq: 1,
    attempt: 1,
    reply_seq: 2,
    hop: 1,
  });
  const timeline = timelineOf(client);
  expect(timeline[0]).toBe('message text');
  expect(timeline.slice(-2)).toEqual(['finish', 'message assistant']);
  const chunks = pushesOf(client, 'stream_chunk');
  expect(chunks.map((push) => push.index)).toEqual(chunks.map((_, index) => index));
  const [, reply] = await messagesOf(server, session);
  expect(reply).toMatchObject({
    id: turn.message_id,
    sender_id: session.agentId,
    kind: 'assistant',
    content: { id: turn.message_id, role: 'assistant' },
    metadata: { termination: 'finish', turn_id: turn.id },
    client_id: `turn:${turn.id}:0`,
  });
  expect(reply.content.parts).toEqual([{ type: 'text', text: 'Good morning, Alice', state: 'done' }]);
  expect(chunks[0]).toMatchObject({
    message_id: turn.message_id,
    turn_id: turn.id,
    agent_id: session.agentId,
  });
});

test('the call is signed, and holds the session, its messages, and where the new ones begin', async () => {
  const { api } = server;
  const session = await startAgentSession(server, agent);
  const rotated = await api('POST', `/api/agents/${session.agentId}/endpoint/rotate-secret`);
  await api('POST', `/api/sessions/${session.id}/messages`, {
    body: { sender_id: userIdOf(session.agentId), content: { text: 'Hi' } },
  });
  const [turn] = await turnsAtRest(server, session);
  const [call] = agent.calls;
  expect(() =>
    new Webhook(rotated.body.endpoint.signing_secret).verify(
      call!.rawBody,
      call!.headers as Record<string, string>,
    ),
  ).not.toThrow();
  expect(call!.headers['webhook-id']).toBe(turn.id);
  expect(call!.data).toMatchObject({
    turn_id: turn.id,
    attempt: 1,
    agent_id: session.agentId,
    session: { id: session.id },
    messages: [{ seq: 1, content: { text: 'Hi' } }],
    new_from_seq: 1,
  });
});

test('what comes while a turn runs is the next turn', async () => {
  const gate = Promise.withResolvers<void>();
  agent.answer = async (response) => {
    beginStream(response);
    writeDelta(response, 'one moment');
    await gate.promise;
    finishStream(response);
  };
  const session = await startAgentSession(server, agent);
  await using client = await joinAs(server, session);
  await client.say('first');
  await waitUntil(() => pushesOf(client, 'stream_chunk').length > 0);
  await client.say('second');
  await client.say('third');
  gate.resolve();
  await waitUntil(() => agent.calls.length === 2);
  const turns = await turnsAtRest(server, session);
  expect(turns.map(({ status, from_seq, to_seq }) => ({ status, from_seq, to_seq }))).toEqual([
    { status: 'completed', from_seq: 2, to_seq: 3 },
    { status: 'completed', from_seq: 1, to_seq: 1 },
  ]);
  expect(agent.calls[1]!.data.new_from_seq).toBe(2);
});
