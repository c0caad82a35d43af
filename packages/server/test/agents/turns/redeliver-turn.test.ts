import { deliveriesReplySchema, turnReplySchema, turnsReplySchema } from '@fleetlm/protocol';
import { AgentServer, answerText, waitUntil } from '@fleetlm/testkit';
import { monotonicFactory } from 'ulid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EndpointFixture } from '../endpoints/endpoint-fixture.ts';

const newId = monotonicFactory();
let fixture: EndpointFixture;

beforeAll(async () => {
  fixture = await EndpointFixture.start();
});
afterAll(() => fixture[Symbol.asyncDispose]());

/** An agent whose turns nobody calls: its endpoint is disabled. */
function newAgent(): Promise<string> {
  return fixture.newEndpoint({ origin_url: 'http://127.0.0.1:9/', status: 'disabled' });
}

async function addTurn(agentId: string, status: string, sessionId = newId()) {
  const id = newId();
  await fixture.query(
    `insert into agent_turns (id, agent_id, session_id, from_seq, to_seq, hop, status, attempt, error)
     values ($1, $2, $3, 41, 43, 3, $4, 2, 'why')`,
    [id, agentId, sessionId, status],
  );
  return { id, sessionId };
}

function redeliver(agentId: string, turnId: string) {
  return fixture.call('POST', agentId, `/turns/${turnId}/redeliver`);
}

async function turnsOf(agentId: string) {
  return fixture.query('select id, status, session_id from agent_turns where agent_id = $1 order by id', [
    agentId,
  ]);
}

describe('POST /api/agents/:id/turns/:turn_id/redeliver', () => {
  test.each(['failed', 'dead', 'stopped'])(
    'a %s turn is called anew, over the same range',
    async (status) => {
      const agent = await newAgent();
      const { id, sessionId } = await addTurn(agent, status);
      const answer = await redeliver(agent, id);
      expect(answer.status).toBe(201);
      const { turn } = turnReplySchema.strict().parse(answer.body);
      expect(turn).toMatchObject({
        agent_id: agent,
        session_id: sessionId,
        from_seq: 41,
        to_seq: 43,
        hop: 3,
        status: 'pending',
        attempt: 0,
        error: null,
        stream_id: null,
      });
      expect(await turnsOf(agent)).toEqual([
        { id, status, session_id: sessionId },
        { id: turn.id, status: 'pending', session_id: sessionId },
      ]);
    },
  );

  test.each(['pending', 'running', 'completed'])('a %s turn is not', async (status) => {
    const agent = await newAgent();
    const { id } = await addTurn(agent, status);
    const { status: code, body } = await redeliver(agent, id);
    expect([code, body.code, body.detail]).toEqual([422, 'invalid_request', expect.stringContaining(status)]);
    expect(await turnsOf(agent)).toHaveLength(1);
  });

  test('one that is pending stands in the way, one that runs does not', async () => {
    const agent = await newAgent();
    const { id, sessionId } = await addTurn(agent, 'dead');
    await addTurn(agent, 'running', sessionId);
    expect((await redeliver(agent, id)).status).toBe(201);
    const again = await redeliver(agent, id);
    expect([again.status, again.body.code, again.body.retryable]).toEqual([409, 'turn_pending', true]);
    expect(await turnsOf(agent)).toHaveLength(3);
  });

  test('many at once make one', async () => {
    const agent = await newAgent();
    const { id } = await addTurn(agent, 'failed');
    const answers = await Promise.all(Array.from({ length: 8 }, () => redeliver(agent, id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
  });

  test('a turn of another agent is not there, nor is one that has no such id', async () => {
    const agent = await newAgent();
    const { id } = await addTurn(await newAgent(), 'dead');
    for (const turnId of [id, newId(), 'x', '%00']) {
      const { status, body } = await redeliver(agent, turnId);
      expect([status, body.code], turnId).toEqual([404, 'turn_not_found']);
    }
  });

  test('nothing is redelivered to an agent without an endpoint', async () => {
    const agent = await fixture.newAgent();
    const { id } = await addTurn(agent, 'dead');
    expect((await redeliver(agent, id)).body.code).toBe('endpoint_not_found');
    expect(await turnsOf(agent)).toHaveLength(1);
  });
});

test('what an agent refused it answers after a redelivery, at once', async () => {
  await using agent = await AgentServer.start((response) => {
    response.writeHead(404).end('not yet');
  });
  const id = await fixture.newEndpoint({ origin_url: agent.url });
  const { server } = fixture;
  await server.api('PUT', '/api/participants/user:alice', { body: {} });
  const members = { initiator_id: 'user:alice', peer_id: id };
  const { session } = (await server.api('POST', '/api/sessions', { body: members })).body;
  const messages = `/api/sessions/${session.id}/messages`;
  await server.api('POST', messages, { as: 'user:alice', body: { content: { text: 'hello?' } } });
  const failed = await waitUntil(
    async () => (await fixture.call('GET', id, '/turns?status=failed')).body.turns[0] ?? null,
    { what: 'the turn to fail' },
  );
  agent.answer = answerText('Here I am');
  expect((await redeliver(id, failed.id)).status).toBe(201);
  const answer = await waitUntil(
    async () =>
      (await server.api('GET', messages)).body.messages.find(
        ({ kind }: { kind: string }) => kind === 'assistant',
      ) ?? null,
    { what: 'the answer' },
  );
  expect(answer).toMatchObject({ sender_id: id, content: { parts: [{ type: 'text', text: 'Here I am' }] } });
  expect(agent.calls.map(({ data }) => [data.attempt, data.new_from_seq])).toEqual([
    [1, 1],
    [1, 1],
  ]);
});

describe('GET /api/agents/:id/turns', () => {
  test('newest first, page by page, by status; who runs one is not told', async () => {
    const agent = await newAgent();
    const made = [];
    for (const status of ['dead', 'completed', 'dead', 'running'])
      made.push((await addTurn(agent, status)).id);
    const list = async (query: string) => {
      const { body } = await fixture.call('GET', agent, `/turns?${query}`);
      const { turns, next_cursor: cursor } = turnsReplySchema.strict().parse(body);
      expect(Object.keys(body.turns[0] ?? {}).filter((key) => /lease|epoch/.test(key))).toEqual([]);
      return { ids: turns.map(({ id }) => id), cursor };
    };
    expect((await list('')).ids).toEqual(made.toReversed());
    expect((await list('status=dead')).ids).toEqual([made[2], made[0]]);
    const first = await list('limit=3');
    expect(first.ids).toEqual(made.slice(1).toReversed());
    expect(await list(`limit=3&cursor=${first.cursor}`)).toEqual({ ids: [made[0]], cursor: null });
    expect((await fixture.call('GET', agent, '/turns?status=lost')).body.errors).toHaveProperty('status');
  });
});

describe('GET /api/agents/:id/deliveries', () => {
  test('newest first, page by page, with what came of each attempt', async () => {
    const agent = await newAgent();
    const ids = [newId(), newId(), newId()];
    for (const [index, id] of ids.entries()) {
      await fixture.query(
        `insert into agent_delivery_logs
           (id, agent_id, turn_id, session_id, attempt, status, http_status, latency_ms, response_excerpt, error_reason)
         values ($1, $2, $3, $4, $5, 'retry', 503, 12, 'later', 'server_error: answered 503')`,
        [id, agent, newId(), newId(), index + 1],
      );
    }
    const { body } = await fixture.call('GET', agent, '/deliveries?limit=2');
    const first = deliveriesReplySchema.strict().parse(body);
    expect(first.deliveries.map(({ id }) => id)).toEqual([ids[2], ids[1]]);
    expect(first.deliveries[0]).toMatchObject({
      attempt: 3,
      status: 'retry',
      http_status: 503,
      response_excerpt: 'later',
    });
    const next = await fixture.call('GET', agent, `/deliveries?limit=2&cursor=${first.next_cursor}`);
    expect(next.body.deliveries.map(({ id }: { id: string }) => id)).toEqual([ids[0]]);
  });
});
