import {
  AgentServer,
  type AnswerCall,
  answerText,
  answerWith,
  beginStream,
  finishStream,
  type RawFrame,
  type SessionClient,
  type TestServer,
  waitUntil,
  writeDelta,
} from '@fleetlm/testkit';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import {
  type AgentSession,
  joinAs,
  messagesOf,
  pushesOf,
  say,
  startAgentGroup,
  startAgentSession,
  timelineOf,
  turnsAtRest,
  turnsOf,
} from './fixtures.ts';
import { useAgentServer } from './use-agent-server.ts';

/** I24: a stop at the boundaries that chance would rarely meet; see stop-phases.test.ts for all the others. */

let server: TestServer;
let agent: AgentServer;
/** While it is there, what a claim has brought is held back: the turn is on its way to the dispatcher. */
let heldClaims: Promise<void> | null = null;

useAgentServer(
  (world) => {
    ({ server, agent } = world);
  },
  {
    overrides: {
      wrapDb: (db) => ({
        ...db,
        countConnections: () => db.countConnections(),
        close: () => db.close(),
        query: async (statement, values) => {
          const rows = await db.query(statement, values);
          if (statement.name === 'claim-turns' && rows.length > 0) await heldClaims;
          return rows as never;
        },
      }),
    },
  },
);

async function stop({ id }: AgentSession, streamId?: string): Promise<string[]> {
  const { status, body } = await server.api('POST', `/api/sessions/${id}/stop`, {
    body: streamId === undefined ? {} : { stream_id: streamId },
  });
  expect(status).toBe(200);
  return body.stopped;
}

/** Says the beginning of an answer, and then what `gate` lets it. */
function beginAnswer(gate: Promise<void> = new Promise(() => {})): AnswerCall {
  return async (response) => {
    beginStream(response);
    writeDelta(response, 'one moment');
    await gate;
    finishStream(response);
  };
}

/** Talks to an agent until something of its answer is there. */
async function startStream(session: AgentSession, client: SessionClient): Promise<RawFrame> {
  await client.say('Hi');
  await waitUntil(() => timelineOf(client).includes('text-delta'));
  const [turn] = await turnsOf(server, session);
  return turn;
}

test('while its claim is on the way: the agent is never called', async () => {
  const session = await startAgentSession(server, agent);
  const held = Promise.withResolvers<void>();
  heldClaims = held.promise;
  await say(server, session);
  const turn = await waitUntil(async () => {
    const [row] = await turnsOf(server, session);
    return row?.status === 'running' && row;
  });
  expect(await stop(session)).toEqual([turn.id]);
  heldClaims = null;
  held.resolve();
  expect(await turnsAtRest(server, session)).toMatchObject([{ status: 'stopped', stream_id: null }]);
  expect(agent.calls).toEqual([]);
  expect(await messagesOf(server, session)).toHaveLength(1);
});

test('while the append of the answer waits: the answer is stored as stopped, and nobody sees a finish', async () => {
  const gate = Promise.withResolvers<void>();
  agent.answer = beginAnswer(gate.promise);
  const session = await startAgentSession(server, agent);
  await using client = await joinAs(server, session);
  const turn = await startStream(session, client);
  await using other = await lockSession(session.id);
  gate.resolve();
  await other.untilSomebodyWaits();
  expect(await stop(session, turn.stream_id)).toEqual([turn.id]);
  // Nobody is shown an end that is not committed.
  await client.socket.settle();
  expect(timelineOf(client).at(-1)).toBe('text-end');
  await other.release();
  expect(await turnsAtRest(server, session)).toMatchObject([{ status: 'stopped', reply_seq: 2 }]);
  await waitUntil(() => timelineOf(client).at(-1) === 'message assistant');
  expect(timelineOf(client).slice(-3)).toEqual(['text-end', 'abort', 'message assistant']);
  expect((await messagesOf(server, session))[1]).toMatchObject({
    id: turn.message_id,
    content: { parts: [{ type: 'text', text: 'one moment' }] },
    metadata: { termination: 'stopped' },
  });
});

test('twice at once: both are told, it ends once', async () => {
  agent.answer = beginAnswer();
  const session = await startAgentSession(server, agent);
  await using client = await joinAs(server, session);
  const turn = await startStream(session, client);
  const stops = await Promise.all([stop(session, turn.stream_id), stop(session), stop(session)]);
  // A later one may find it over.
  for (const stopped of stops) expect([[], [turn.id]]).toContainEqual(stopped);
  expect(stops).toContainEqual([turn.id]);
  expect(await turnsAtRest(server, session)).toMatchObject([{ status: 'stopped', reply_seq: 2 }]);
  await waitUntil(() => timelineOf(client).at(-1) === 'message assistant');
  expect(timelineOf(client).filter((event) => event === 'abort')).toHaveLength(1);
  expect(await stop(session)).toEqual([]);
  expect(await stop(session, turn.stream_id)).toEqual([]);
});

test('while it waits for its next attempt: it is not called again', async () => {
  agent.answer = answerWith(503, 'text/plain', 'no');
  const endpoint = { retry_policy: { max_attempts: 3, backoff_ms: [3_600_000] } };
  const session = await startAgentSession(server, agent, endpoint);
  await say(server, session);
  const turn = await waitUntil(async () => {
    const [row] = await turnsOf(server, session);
    return row?.error?.startsWith('server_error') && row;
  });
  await say(server, session, 'Hello?');
  expect((await turnsOf(server, session)).map((row) => row.status)).toEqual(['pending', 'running']);
  agent.answer = answerText('Hello');
  const stopped = await stop(session);
  expect(stopped).toHaveLength(2);
  expect(stopped).toContain(turn.id);
  expect((await turnsAtRest(server, session)).map((row) => row.status)).toEqual(['stopped', 'stopped']);
  // Nothing stands in the way of what comes next.
  await say(server, session, 'Anybody?');
  const [next] = await turnsAtRest(server, session);
  expect(next).toMatchObject({ status: 'completed', from_seq: 3, to_seq: 3 });
  expect(agent.calls).toHaveLength(2);
});

test('without a stream: all that pends and runs in the session, and nothing elsewhere', async () => {
  agent.answer = beginAnswer();
  const session = await startAgentGroup(server, [agent, agent]);
  const elsewhere = await startAgentSession(server, agent);
  await using client = await joinAs(server, session);
  await using otherClient = await joinAs(server, elsewhere);
  await startStream(elsewhere, otherClient);
  await client.say('first');
  await waitUntil(() => timelineOf(client).filter((event) => event === 'text-delta').length === 2);
  await client.say('second');
  const stopped = await stop(session);
  const turns: RawFrame[] = [];
  for (const agentId of session.agentIds) turns.push(...(await turnsAtRest(server, { ...session, agentId })));
  expect(turns.map((turn) => turn.status)).toEqual(['stopped', 'stopped', 'stopped', 'stopped']);
  expect(new Set(stopped)).toEqual(new Set(turns.map((turn) => turn.id)));
  expect(await turnsOf(server, elsewhere)).toMatchObject([{ status: 'running' }]);
  const { stream_id: streamId } = turns.find((turn) => turn.stream_id !== null);
  expect(await stop(elsewhere, streamId)).toEqual([]);
  expect(await stop(elsewhere)).toHaveLength(1);
  await turnsAtRest(server, elsewhere);
});

test('in a session that another node has closed: its stream ends, and nothing is stored', async () => {
  agent.answer = beginAnswer();
  const session = await startAgentSession(server, agent);
  await using client = await joinAs(server, session);
  const turn = await startStream(session, client);
  await queryOnce(`update chat_sessions set status = 'closed' where id = '${session.id}'`);
  expect(await stop(session)).toEqual([turn.id]);
  expect(await turnsAtRest(server, session)).toMatchObject([
    { status: 'stopped', reply_seq: null, error: 'session_closed' },
  ]);
  await waitUntil(() => timelineOf(client).at(-1) === 'abort');
  expect(await messagesOf(server, session)).toHaveLength(1);
});

test('of a turn that a node left behind, whose agent is disabled now: it ends all the same', async () => {
  const session = await startAgentSession(server, agent, { status: 'disabled' });
  await say(server, session);
  await queryOnce(`
    update agent_turns
    set status = 'running', attempt = 1, epoch = 1, lease_owner = 'gone', lease_until = now() + interval '1 hour'
    where session_id = '${session.id}'
  `);
  expect(await stop(session)).toHaveLength(1);
  expect(await turnsOf(server, session)).toMatchObject([{ status: 'running' }]);
  await queryOnce(`update agent_turns set lease_until = now() where session_id = '${session.id}'`);
  expect(await turnsAtRest(server, session)).toMatchObject([{ status: 'stopped' }]);
  expect(agent.calls).toEqual([]);
});

describe('an agent that is to be interrupted', () => {
  test('is stopped by the next message, and then called with all that it has not answered', async () => {
    agent.answer = (response, call) =>
      (agent.calls.length === 1 ? beginAnswer() : answerText('both'))(response, call);
    const session = await startAgentSession(server, agent, { when_busy: 'interrupt' });
    await using client = await joinAs(server, session);
    await startStream(session, client);
    await client.say('No, wait');
    await waitUntil(() => agent.calls.length === 2);
    expect(await turnsAtRest(server, session)).toMatchObject([
      { status: 'completed', from_seq: 1, to_seq: 2, hop: 1 },
      { status: 'stopped', from_seq: 1, to_seq: 1 },
    ]);
    expect(agent.calls[0]!.isAborted()).toBe(true);
    expect(agent.calls[1]!.data).toMatchObject({ new_from_seq: 1 });
    await waitUntil(() => pushesOf(client, 'message').length === 4);
    expect((await messagesOf(server, session)).map((message) => message.metadata.termination)).toEqual([
      ...[undefined, undefined, 'stopped', 'finish'],
    ]);
  });

  test('by an agent: with the hop of what it was called for first', async () => {
    agent.answer = (response, call) =>
      (agent.calls.length === 1 ? beginAnswer() : answerWith(202, 'text/plain', ''))(response, call);
    await using other = await AgentServer.start(async (response, call) => {
      await waitUntil(() => agent.calls.length === 1);
      await answerText('I know')(response, call);
    });
    const session = await startAgentGroup(server, [agent, other], [{ when_busy: 'interrupt' }]);
    await say(server, session);
    await waitUntil(() => agent.calls.length === 2);
    const [turn, first] = await turnsAtRest(server, session);
    expect(first).toMatchObject({ status: 'stopped', from_seq: 1, to_seq: 1, hop: 1 });
    expect(turn).toMatchObject({ status: 'completed', from_seq: 1, hop: 1 });
  });

  test('is not called again for a call that had failed', async () => {
    agent.answer = (response, call) =>
      (agent.calls.length === 1 ? answerWith(503, 'text/plain', '') : answerText('both'))(response, call);
    const retry_policy = { max_attempts: 3, backoff_ms: [3_600_000] };
    const session = await startAgentSession(server, agent, { when_busy: 'interrupt', retry_policy });
    await say(server, session);
    await waitUntil(async () => (await turnsOf(server, session))[0]?.error != null);
    await say(server, session, 'Hello?');
    expect(await turnsAtRest(server, session)).toMatchObject([
      { status: 'completed', from_seq: 1, to_seq: 2 },
      { status: 'stopped', from_seq: 1, to_seq: 1 },
    ]);
  });
});

async function queryOnce(statement: string): Promise<void> {
  const client = new Client({ connectionString: server.database.url });
  await client.connect();
  await client.query(statement);
  await client.end();
}

interface SessionLock extends AsyncDisposable {
  /** Until somebody waits for the lock. */
  untilSomebodyWaits(): Promise<void>;
  release(): Promise<void>;
}

/** Holds the lock that every append to the session needs. */
async function lockSession(id: string): Promise<SessionLock> {
  const holder = new Client({ connectionString: server.database.url });
  await holder.connect();
  await holder.query('begin');
  await holder.query('select id from chat_sessions where id = $1 for update', [id]);
  const waiting =
    'select 1 from pg_stat_activity where datname = current_database() and wait_event_type = $1';
  return {
    untilSomebodyWaits: async () => {
      await waitUntil(async () => (await holder.query(waiting, ['Lock'])).rowCount! > 0);
    },
    release: async () => void (await holder.query('rollback')),
    [Symbol.asyncDispose]: () => holder.end(),
  };
}
