import {
  AgentServer,
  type AnswerCall,
  answerText,
  answerWith,
  beginStream,
  finishStream,
  type TestServer,
  waitUntil,
  writeChunk,
  writeDelta,
} from '@fleetlm/testkit';
import { describe, expect, test } from 'vitest';
import {
  closeSession,
  deliveriesOf,
  joinAs,
  messagesOf,
  pushesOf,
  removeAgent,
  say,
  startAgentGroup,
  startAgentSession,
  timelineOf,
  turnsAtRest,
  turnsOf,
} from './fixtures.ts';
import { useAgentServer } from './use-agent-server.ts';

/** I25, I26: what becomes of a turn whose agent does not simply answer. */

let server: TestServer;
let agent: AgentServer;

useAgentServer((world) => {
  ({ server, agent } = world);
});

/** The first call is answered by the first, and so on; all further ones by the last. */
function answerInTurn(...answers: readonly AnswerCall[]): AnswerCall {
  return (response, call) => answers[Math.min(agent.calls.length, answers.length) - 1]!(response, call);
}

/** Begins a stream with a text, and goes on when `gate` lets it. */
function answerAfter(gate: Promise<void>, end: (response: Parameters<AnswerCall>[0]) => void): AnswerCall {
  return async (response) => {
    beginStream(response);
    writeDelta(response, 'one moment');
    await gate;
    end(response);
  };
}

const silence: AnswerCall = () => {};
const reset: AnswerCall = (response) => void response.socket!.resetAndDestroy();
const atOnce = { retry_policy: { max_attempts: 3, backoff_ms: [0] } };
const status = (code: number, headers = {}) => answerWith(code, 'text/plain', 'no', headers);

interface Failure {
  readonly name: string;
  readonly answers: readonly AnswerCall[];
  readonly endpoint?: object;
  /** The turn's status, attempts, and error. */
  readonly turn: readonly [status: string, attempt: number, error: string | null];
  /** One for each attempt: its status, the HTTP status, why. */
  readonly deliveries: readonly (readonly [status: string, http: number | null, reason: string | null])[];
  /** What the session sees: a text of the agent, or the reason in the notice. */
  readonly seen: string;
}

const failures: readonly Failure[] = [
  {
    name: '503, then an answer',
    answers: [status(503), answerText('Hello')],
    turn: ['completed', 2, null],
    deliveries: [
      ['retry', 503, 'server_error'],
      ['sent', 200, null],
    ],
    seen: 'Hello',
  },
  {
    name: '429, 408, then an answer',
    answers: [status(429, { 'retry-after': '0' }), status(408), answerText('Hello')],
    turn: ['completed', 3, null],
    deliveries: [
      ['retry', 429, 'rate_limited'],
      ['retry', 408, 'request_timeout'],
      ['sent', 200, null],
    ],
    seen: 'Hello',
  },
  {
    name: 'a time-out before the first chunk, then an answer',
    answers: [silence, answerText('Hello')],
    endpoint: { timeout_ms: 100 },
    turn: ['completed', 2, null],
    deliveries: [
      ['retry', null, 'first_chunk_timeout'],
      ['sent', 200, null],
    ],
    seen: 'Hello',
  },
  {
    name: 'resets until nothing is left to try',
    answers: [reset],
    turn: ['dead', 3, 'connection_lost: '],
    deliveries: [
      ['retry', null, 'connection_lost'],
      ['retry', null, 'connection_lost'],
      ['failed', null, 'connection_lost'],
    ],
    seen: 'connection_lost',
  },
  {
    name: '400',
    answers: [status(400)],
    turn: ['failed', 1, 'refused: answered 400'],
    deliveries: [['failed', 400, 'refused']],
    seen: 'refused',
  },
  {
    name: '404',
    answers: [status(404)],
    turn: ['failed', 1, 'refused: answered 404'],
    deliveries: [['failed', 404, 'refused']],
    seen: 'refused',
  },
  {
    name: 'a redirect',
    answers: [status(302, { location: 'http://127.0.0.1:1/' })],
    turn: ['failed', 1, 'redirected: answered 302, location http://127.0.0.1:1/'],
    deliveries: [['failed', 302, 'redirected']],
    seen: 'redirected',
  },
  {
    name: 'an unknown content type',
    answers: [answerWith(200, 'text/html', '<html></html>')],
    turn: ['failed', 1, 'unknown_content_type: text/html'],
    deliveries: [['failed', 200, 'unknown_content_type']],
    seen: 'unknown_content_type',
  },
  {
    name: 'JSON that is no answer',
    answers: [answerWith(200, 'application/json', '{"result":"ok"}')],
    turn: ['failed', 1, 'invalid_answer: the JSON has neither messages, nor text, nor parts'],
    deliveries: [['failed', 200, 'invalid_answer']],
    seen: 'invalid_answer',
  },
  {
    name: 'a stream without a word, and an error',
    answers: [
      (response) => {
        beginStream(response);
        writeChunk(response, { type: 'error', errorText: 'no model' });
        response.end();
      },
    ],
    turn: ['failed', 1, 'agent_error'],
    deliveries: [['sent', 200, null]],
    seen: 'agent_error',
  },
];

describe('a call that fails', () => {
  test.each(failures)('$name', async ({ answers, endpoint, turn, deliveries, seen }) => {
    agent.answer = answerInTurn(...answers);
    const session = await startAgentSession(server, agent, { ...atOnce, ...endpoint });
    await say(server, session);
    const [row] = await turnsAtRest(server, session);
    const [wanted, attempt, error] = turn;
    expect(row).toMatchObject({ status: wanted, attempt, reply_seq: 2 });
    if (error !== null) expect(row.error).toContain(error);
    expect(await deliveriesOf(server, session.agentId, deliveries.length)).toMatchObject(
      deliveries.map(([status, http_status, error_reason], index) => ({
        ...{ status, http_status, error_reason, attempt: index + 1, turn_id: row.id },
      })),
    );
    const [, reply, ...more] = await messagesOf(server, session);
    expect(more).toEqual([]);
    if (wanted === 'completed') {
      expect(reply).toMatchObject({ sender_id: session.agentId, content: { parts: [{ text: seen }] } });
      return;
    }
    expect(reply).toMatchObject({
      sender_id: 'system:fleetlm',
      kind: 'system',
      content: { text: `${session.agentId} could not answer (${seen}).` },
      metadata: { agent_id: session.agentId, turn_id: row.id, reason: seen },
    });
  });

  test('a refused connection: dead, and the notice makes no turn', async () => {
    const gone = await AgentServer.start();
    const session = await startAgentSession(server, gone, atOnce);
    await gone[Symbol.asyncDispose]();
    await say(server, session);
    const turns = await turnsAtRest(server, session);
    expect(turns).toMatchObject([{ status: 'dead', attempt: 3, error: 'connect_failed: ECONNREFUSED' }]);
    expect(await messagesOf(server, session)).toMatchObject([
      { kind: 'text' },
      { kind: 'system', metadata: { reason: 'connect_failed' } },
    ]);
  });

  test('Retry-After is waited for, however short the backoff is', async () => {
    agent.answer = status(429, { 'retry-after': '3000' });
    const session = await startAgentSession(server, agent, atOnce);
    await say(server, session);
    const turn = await waitUntil(async () => {
      const [row] = await turnsOf(server, session);
      return row?.error != null && row;
    });
    expect(turn).toMatchObject({ status: 'running', attempt: 1 });
    expect(Date.parse(turn.next_attempt_at) - Date.parse(turn.updated_at)).toBe(3_000_000);
    await server.api('DELETE', `/api/agents/${session.agentId}/endpoint`);
  });

  test('410 disables the endpoint; what comes then waits until it is enabled again', async () => {
    agent.answer = status(410);
    const session = await startAgentSession(server, agent);
    const path = `/api/agents/${session.agentId}/endpoint`;
    await say(server, session);
    expect(await turnsAtRest(server, session)).toMatchObject([
      { status: 'failed', error: 'gone: answered 410' },
    ]);
    expect((await server.api('GET', path)).body.endpoint.status).toBe('disabled');
    await say(server, session, 'Are you there?');
    await say(server, session, 'Hello?');
    agent.answer = answerText('Back again');
    expect((await turnsOf(server, session))[0]).toMatchObject({ status: 'pending', from_seq: 3, to_seq: 4 });
    expect(agent.calls.length).toBe(1);
    await server.api('PUT', path, { body: { status: 'enabled' } });
    const [turn] = await turnsAtRest(server, session);
    expect(turn).toMatchObject({ status: 'completed', from_seq: 3, to_seq: 4 });
    expect(agent.calls[1]!.data.messages.map((message: { seq: number }) => message.seq)).toEqual([
      1, 2, 3, 4,
    ]);
  });
});

describe('an answer that does not end well', () => {
  test.each([
    {
      name: 'an error chunk',
      end: (response: Parameters<AnswerCall>[0]) => {
        writeChunk(response, { type: 'error', errorText: 'out of tokens' });
        response.end();
      },
      terminal: { type: 'error', errorText: 'out of tokens' },
      termination: 'error',
      error: 'agent_error',
    },
    {
      name: 'a reset',
      end: (response: Parameters<AnswerCall>[0]) => void response.socket!.resetAndDestroy(),
      terminal: { type: 'error', errorText: 'The answer failed (connection_lost)' },
      termination: 'interrupted',
      error: 'connection_lost: ECONNRESET',
    },
    {
      name: 'silence',
      end: () => {},
      terminal: { type: 'error', errorText: 'The answer failed (idle_timeout)' },
      termination: 'error',
      error: 'idle_timeout: nothing came within 150 ms',
    },
  ])('$name: failed, what was shown is stored, and it is not called again', async (mode) => {
    const gate = Promise.withResolvers<void>();
    agent.answer = answerAfter(gate.promise, mode.end);
    const session = await startAgentSession(server, agent, { ...atOnce, idle_timeout_ms: 150 });
    await using client = await joinAs(server, session);
    await client.say('Hi');
    await waitUntil(() => timelineOf(client).includes('text-delta'));
    gate.resolve();
    const [turn] = await turnsAtRest(server, session);
    expect(turn).toMatchObject({ status: 'failed', attempt: 1, error: mode.error, reply_seq: 2 });
    await waitUntil(() => timelineOf(client).at(-1) === 'message assistant');
    expect(pushesOf(client, 'stream_chunk').at(-1).chunk).toEqual(mode.terminal);
    const [, reply, ...more] = await messagesOf(server, session);
    expect(more).toEqual([]);
    expect(reply).toMatchObject({
      id: turn.message_id,
      content: { parts: [{ type: 'text', text: 'one moment' }] },
      metadata: { termination: mode.termination },
    });
    expect(agent.calls.length).toBe(1);
  });

  test.each([
    { name: 'the session is closed', reason: 'session_closed', leave: closeSession },
    { name: 'the agent is removed', reason: 'not_a_member', leave: removeAgent },
  ])('$name while it streams: failed, an error on the stream, nothing stored', async ({ reason, leave }) => {
    const gate = Promise.withResolvers<void>();
    agent.answer = answerAfter(gate.promise, finishStream);
    const session = await startAgentGroup(server, [agent]);
    await using client = await joinAs(server, session);
    await client.say('Hi');
    await waitUntil(() => timelineOf(client).includes('text-delta'));
    await leave(server, session);
    gate.resolve();
    expect(await turnsAtRest(server, session)).toMatchObject([
      { status: 'failed', error: reason, reply_seq: null },
    ]);
    await waitUntil(() => timelineOf(client).includes('error'));
    expect(timelineOf(client)).not.toContain('finish');
    expect((await messagesOf(server, session)).map((message) => message.sender_id)).not.toContain(
      session.agentId,
    );
  });
});
