import { type AgentServer, type AnswerCall, answerWith, type TestServer, waitUntil } from '@fleetlm/testkit';
import { describe, expect, test } from 'vitest';
import { joinAs, messagesOf, say, startAgentSession, timelineOf, turnsAtRest } from './fixtures.ts';
import { useAgentServer } from './use-agent-server.ts';

/** What each form of an answer becomes. */

let server: TestServer;
let agent: AgentServer;

useAgentServer((world) => {
  ({ server, agent } = world);
});

interface Answer {
  readonly name: string;
  readonly answer: AnswerCall;
  /** The messages that the agent's turn becomes. */
  readonly messages: readonly object[];
}

const jsonLines = ['start', 'text-start', 'text-delta', 'text-end', 'finish']
  .map((type) => JSON.stringify({ type, id: '1', delta: 'as ever' }))
  .join('\n');

const answers: readonly Answer[] = [
  {
    name: '{text}',
    answer: answerWith(200, 'application/json', '{"text":"Hello"}'),
    messages: [{ kind: 'text', content: { text: 'Hello' } }],
  },
  {
    name: '{messages}, several',
    answer: answerWith(
      200,
      'application/json; charset=utf-8',
      JSON.stringify({
        messages: [
          { content: { text: 'one' }, metadata: { n: 1 } },
          { kind: 'tool_call', content: { name: 'two' } },
          { content: { text: 'three' } },
        ],
      }),
    ),
    messages: [
      { kind: 'text', content: { text: 'one' }, metadata: { n: 1 } },
      { kind: 'tool_call', content: { name: 'two' } },
      { kind: 'text', content: { text: 'three' } },
    ],
  },
  {
    name: 'a UIMessage',
    answer: answerWith(
      200,
      'application/json',
      JSON.stringify({ id: 'x', role: 'assistant', parts: [{ type: 'text', text: 'Hello' }] }),
    ),
    messages: [
      { kind: 'assistant', content: { role: 'assistant', parts: [{ type: 'text', text: 'Hello' }] } },
    ],
  },
  {
    name: 'plain text',
    answer: answerWith(200, 'text/plain', 'Hello'),
    messages: [{ kind: 'assistant', content: { parts: [{ type: 'text', text: 'Hello' }] } }],
  },
  {
    name: 'JSON lines',
    answer: answerWith(200, 'application/x-ndjson', jsonLines),
    messages: [{ kind: 'assistant', content: { parts: [{ type: 'text', text: 'as ever' }] } }],
  },
  { name: '202', answer: answerWith(202, 'text/plain', 'accepted'), messages: [] },
  { name: '204', answer: (response) => void response.writeHead(204).end(), messages: [] },
];

describe('an answer in one piece', () => {
  test.each(answers)('$name', async ({ answer, messages }) => {
    agent.answer = answer;
    const session = await startAgentSession(server, agent);
    await say(server, session);
    const [turn] = await turnsAtRest(server, session);
    expect(turn).toMatchObject({
      status: 'completed',
      error: null,
      reply_seq: messages.length === 0 ? null : messages.length + 1,
    });
    const [, ...replies] = await messagesOf(server, session);
    expect(replies).toMatchObject(
      messages.map((message, index) => ({
        ...message,
        sender_id: session.agentId,
        client_id: `turn:${turn.id}:${index}`,
      })),
    );
    expect(agent.calls.length).toBe(1);
  });

  test('the format of the original, JSON lines under application/json, streams', async () => {
    const gate = Promise.withResolvers<void>();
    agent.answer = async (response) => {
      const [head, ...rest] = jsonLines.split(/(?<=text-delta.*\n)/);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(head);
      await gate.promise;
      response.end(rest.join(''));
    };
    const session = await startAgentSession(server, agent);
    await using client = await joinAs(server, session);
    await client.say('Hi');
    await waitUntil(() => timelineOf(client).includes('text-delta'), { what: 'a chunk before the end' });
    gate.resolve();
    await waitUntil(() => timelineOf(client).at(-1) === 'message assistant');
    expect(timelineOf(client)).toEqual([
      ...['message text', 'start', 'text-start', 'text-delta', 'text-end', 'finish', 'message assistant'],
    ]);
  });
});
