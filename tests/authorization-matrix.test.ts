import { sessionTopic } from '@fleetlm/protocol';
import {
  addGroup,
  addParticipants,
  ChannelClient,
  type ChannelReply,
  HandshakeRefused,
  inSeconds,
  RawSocket,
  signToken,
  startTestServer,
  type TestServer,
  testSecret,
} from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Caller,
  type Cast,
  type ChannelRequest,
  callers,
  type RestRequest,
  rows,
} from './authorization-table.ts';

const ids = {
  initiator: 'user:initiator',
  member: 'user:member',
  exMember: 'user:ex-member',
  stranger: 'user:stranger',
} as const;
const other = 'user:other';
const outsider = 'user:outsider';
const agent = 'agent:bot';
const writer = 'agent:writer';
/** An id that no session has. */
const absentId = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

let server: TestServer;
let backend: Pick<TestServer, 'api'>;
let tokens: Readonly<Record<Caller, string>>;
let badTokens: Readonly<Record<string, string | null>>;
/** The statements that calls on a session have made. */
const statements: string[] = [];

beforeAll(async () => {
  server = await startTestServer({
    env: { FLEETLM_JWT_SECRET: testSecret },
    overrides: {
      wrapDb: (db) => ({
        ...db,
        query(statement, values) {
          // Those of inboxes go on in the background.
          if (/session$|^history/.test(statement.name)) statements.push(statement.name);
          return db.query(statement, values);
        },
      }),
    },
  });
  const service = await signToken({ sub: 'backend', role: 'service' });
  backend = { api: (method, path, options) => server.api(method, path, { token: service, ...options }) };
  await addParticipants(backend, ...Object.values(ids), other, outsider, agent, writer);
  const registered = await backend.api('PUT', `/api/agents/${agent}/endpoint`, {
    // Nobody is there: a test call says so soon.
    body: { origin_url: 'https://agent.example/', timeout_ms: 100 },
  });
  expect(registered.status).toBe(200);
  const sign = (sub: string) => signToken({ sub });
  const [initiator, member, exMember, stranger] = await Promise.all(Object.values(ids).map(sign));
  tokens = { service, initiator, member, exMember, stranger } as Record<Caller, string>;
  badTokens = await signBadTokens();
});
afterAll(() => server[Symbol.asyncDispose]());

async function signBadTokens(): Promise<Record<string, string | null>> {
  const claims = { sub: ids.member };
  const asService = { sub: 'backend', role: 'service' };
  const [longSecret, otherSecret] = [testSecret.repeat(2), 'x'.repeat(32)];
  return {
    'no token': null,
    expired: await signToken({ ...claims, exp: inSeconds(-60) }),
    'expired, the service': await signToken({ ...asService, exp: inSeconds(-60) }),
    'wrong algorithm': await signToken(claims, { alg: 'HS512', key: longSecret }),
    'wrong algorithm, the service': await signToken(asService, { alg: 'HS512', key: longSecret }),
    'wrong key': await signToken(claims, { key: otherSecret }),
    'wrong key, the service': await signToken(asService, { key: otherSecret }),
  };
}

/** A new session for each attempt, since most of them change it. */
async function castOf(caller: Caller): Promise<Cast> {
  const sessionId = await addGroup(backend, ids.initiator, ids.member, other, writer, ids.exMember);
  const removed = await backend.api('DELETE', `/api/sessions/${sessionId}/members/${ids.exMember}`);
  expect(removed.status).toBe(200);
  const self = caller === 'service' ? ids.member : ids[caller];
  return { sessionId, self, other, outsider, agent, writer };
}

interface Answer {
  readonly outcome: string;
  /** All that the caller is told. */
  readonly told: unknown;
}

async function attempt(request: RestRequest | ChannelRequest, token: string): Promise<Answer> {
  if (request.kind === 'channel') return attemptOnSocket(request, token);
  const { method, path, body, text } = request;
  const sent = { ...(body && { body }), ...(text && { text }) };
  const answer = await server.api(method, path, { token, ...sent });
  const { request_id: _, ...told } = answer.body ?? {};
  return { outcome: answer.status < 400 ? 'ok' : answer.body.code, told: { status: answer.status, ...told } };
}

async function attemptOnSocket({ topic, event, payload }: ChannelRequest, token: string): Promise<Answer> {
  await using client = await ChannelClient.open(`${server.socketUrl()}?token=${token}`);
  const joined = await client.join(topic, event === 'phx_join' ? payload : {});
  return toAnswer(event === 'phx_join' ? joined : await client.push(topic, event, payload));
}

function toAnswer({ status, response }: ChannelReply): Answer {
  return { outcome: status === 'ok' ? 'ok' : response.reason, told: { status, response } };
}

describe('with a good token', () => {
  test.each(rows)('$call', async ({ request, call: _, ...expected }) => {
    const outcomes: Record<string, string> = {};
    for (const caller of callers) {
      const { outcome } = await attempt(request(await castOf(caller)), tokens[caller]);
      outcomes[caller] = outcome;
    }
    expect(outcomes).toEqual(expected);
  });
});

describe('a session that one may not see looks like one that is not there (S9)', () => {
  const hiding = rows.filter(({ stranger }) => stranger === 'session_not_found');

  test.each(hiding)('$call', async ({ request }) => {
    for (const caller of ['stranger', 'exMember'] as const) {
      const cast = await castOf(caller);
      const hidden = await attempt(request(cast), tokens[caller]);
      const absent = await attempt(request({ ...cast, sessionId: absentId }), tokens[caller]);
      expect(hidden).toEqual(absent);
    }
  });

  test('and takes as long: the same is asked of Postgres', async () => {
    for (const { request, call } of hiding) {
      const cast = await castOf('stranger');
      const asked = async (sessionId: string) => {
        statements.length = 0;
        await attempt(request({ ...cast, sessionId }), tokens.stranger);
        return [...statements];
      };
      expect(await asked(cast.sessionId), call).toEqual(await asked(absentId));
    }
  });
});

describe('with a bad token, or none', () => {
  test.each(rows)('$call', async ({ request }) => {
    const sent = request(await castOf('member'));
    for (const [name, token] of Object.entries(badTokens)) {
      const outcome = await (sent.kind === 'rest' ? statusOf(sent, token) : handshakeOf(token));
      expect(outcome, name).toEqual(sent.kind === 'rest' ? [401, 'unauthorized'] : [403, '']);
    }
  });

  async function statusOf({ method, path, body }: RestRequest, token: string | null): Promise<unknown[]> {
    const answer = await server.api(method, path, {
      ...(token !== null && { token }),
      ...(body && { body }),
    });
    return [answer.status, answer.body.code];
  }

  async function handshakeOf(token: string | null): Promise<unknown[]> {
    const url = token === null ? server.socketUrl() : `${server.socketUrl()}?token=${token}`;
    const error = await RawSocket.open(url).catch((reason: unknown) => reason);
    if (!(error instanceof HandshakeRefused)) throw new Error('the handshake was accepted', { cause: error });
    return [error.status, error.body];
  }

  test('health is open', async () => {
    for (const path of ['/health/live', '/health/ready']) {
      for (const token of Object.values(badTokens)) {
        expect((await server.api('GET', path, { ...(token !== null && { token }) })).status).toBe(200);
      }
    }
  });
});

test('S9: membership counts for each push, not only for the join', async () => {
  const { sessionId } = await castOf('member');
  await using client = await ChannelClient.open(`${server.socketUrl()}?token=${tokens.member}`);
  const topic = sessionTopic(sessionId as Parameters<typeof sessionTopic>[0]);
  expect((await client.join(topic)).status).toBe('ok');
  await backend.api('DELETE', `/api/sessions/${sessionId}/members/${ids.member}`);
  for (const [event, payload] of [
    ['send', { content: { content: { text: 'still here?' } } }],
    ['history', {}],
  ] as const) {
    const { status, response } = await client.push(topic, event, payload);
    expect(status).toBe('error');
    // Once removed members lose their topics: that nothing is joined.
    expect(['session_not_found', 'unmatched topic']).toContain(response.reason);
  }
});
