import { type Session, sessionReplySchema, sessionsReplySchema } from '@fleetlm/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  expectProblem,
  type HttpFixture,
  withoutRequestId as same,
  startHttpFixture,
} from './http-fixture.ts';

const absentId = '01JZZZZZZZZZZZZZZZZZZZZZZZ';
const idHint = 'must be 1 to 128 characters without control characters';

let fixture: HttpFixture;

beforeAll(async () => {
  fixture = await startHttpFixture({ env: { FLEETLM_GROUP_MEMBERS: '4' } });
  await fixture.addParticipants('user:alice', 'user:bob', 'user:carol', 'user:dave', 'agent:helper');
  await fixture.call('PUT', '/api/participants/user:off', { body: { status: 'disabled' } });
});

afterAll(() => fixture[Symbol.asyncDispose]());

describe('POST /api/sessions', () => {
  test('starts a direct session of two people', async () => {
    const metadata = { topic: 'x' };
    const body = { initiator_id: 'user:alice', peer_id: 'user:bob', metadata, unknown: 1 };
    const answer = await fixture.post('/api/sessions', body);
    expect(answer.status).toBe(201);
    const { session } = sessionReplySchema.strict().parse(answer.body);
    expect(session).toMatchObject({
      kind: 'human_dm',
      status: 'open',
      initiator_id: 'user:alice',
      peer_id: 'user:bob',
      agent_id: null,
      metadata,
      last_seq: 0,
      last_message_id: null,
      last_message_at: null,
    });
  });

  test('infers the agent', async () => {
    const answer = await fixture.post('/api/sessions', {
      initiator_id: 'user:alice',
      peer_id: 'agent:helper',
      metadata: null,
      kind: null,
    });
    expect(answer.body.session).toMatchObject({ kind: 'agent_dm', agent_id: 'agent:helper', metadata: {} });
  });

  test('starts a group', async () => {
    const member_ids = ['user:bob', 'agent:helper', 'user:alice', 'user:bob'];
    const answer = await fixture.post('/api/sessions', {
      kind: 'group',
      initiator_id: 'user:alice',
      member_ids,
    });
    expect(answer.status).toBe(201);
    const { session } = sessionReplySchema.strict().parse(answer.body);
    expect(session).toMatchObject({
      kind: 'group',
      initiator_id: 'user:alice',
      peer_id: null,
      agent_id: null,
    });
    const members = await fixture.get(`/api/sessions/${session.id}/members`);
    expect(members.body.members).toHaveLength(3);
  });

  test('a participant starts sessions as itself', async () => {
    const body = { initiator_id: 'user:alice', peer_id: 'user:bob' };
    expect((await fixture.post('/api/sessions', body, 'user:alice')).status).toBe(201);
    await refuses(body, 'forbidden', undefined, 'user:bob');
  });

  test.each([
    [{}, { initiator_id: [idHint], peer_id: [idHint] }],
    [
      { initiator_id: 7, peer_id: ['user:bob'], metadata: 'x', kind: 'human_dm' },
      {
        kind: ['must be "group", or left out for a direct session'],
        initiator_id: [idHint],
        peer_id: [idHint],
        metadata: ['must be an object'],
      },
    ],
    [
      { kind: 'group', initiator_id: '', member_ids: 'user:bob' },
      { initiator_id: [idHint], member_ids: ['must be an array of participant ids'] },
    ],
    [
      { kind: 'group', initiator_id: 'user:alice', member_ids: ['user:bob', 7] },
      { member_ids: ['must be an array of participant ids'] },
    ],
    [{ kind: 'group', initiator_id: 'user:alice' }, { member_ids: ['must be an array of participant ids'] }],
    [
      { initiator_id: 'user:alice', peer_id: 'user:alice' },
      { peer_id: ['must be somebody else than initiator_id'] },
    ],
    [
      { initiator_id: 'user:alice', peer_id: 'user:nobody' },
      { peer_id: ['user:nobody does not exist: PUT /api/participants/user:nobody first'] },
    ],
    [{ initiator_id: 'user:alice', peer_id: 'user:off' }, { peer_id: ['user:off is disabled'] }],
    [
      { initiator_id: 'user:nobody', peer_id: 'user:bob' },
      { initiator_id: ['user:nobody does not exist: PUT /api/participants/user:nobody first'] },
    ],
    [
      { kind: 'group', initiator_id: 'user:alice', member_ids: ['user:off'] },
      { member_ids: ['user:off is disabled'] },
    ],
    [
      {
        kind: 'group',
        initiator_id: 'user:alice',
        member_ids: ['user:bob', 'user:carol', 'user:dave', 'agent:helper'],
      },
      { member_ids: ['must not make more than 4 members'] },
    ],
  ])('refuses %j', async (body, errors) => {
    await refuses(body, 'invalid_request', errors);
  });

  test('a long list of bad ids gets a short answer', async () => {
    const body = { kind: 'group', initiator_id: 'user:alice', member_ids: Array(100_000).fill(0) };
    const answer = await fixture.post('/api/sessions', body);
    expect(JSON.stringify(answer.body).length).toBeLessThan(1_000);
  });

  async function refuses(
    body: object,
    code: 'invalid_request' | 'forbidden',
    errors?: Record<string, string[]>,
    as?: string,
  ): Promise<void> {
    const before = await fixture.stored();
    expectProblem(await fixture.post('/api/sessions', body, as), code, errors);
    expect(await fixture.stored()).toEqual(before);
  }
});

describe('GET /api/sessions/:id', () => {
  test('shows a session to its members and the service', async () => {
    const id = await fixture.addSession('user:alice', 'user:bob');
    for (const as of [undefined, 'user:alice', 'user:bob']) {
      const { status, body } = await fixture.get(`/api/sessions/${id}`, as);
      expect(status).toBe(200);
      expect(sessionReplySchema.strict().parse(body).session.id).toBe(id);
    }
  });

  test('absent, hidden and impossible look alike, whatever is asked', async () => {
    const id = await fixture.addSession('user:alice', 'user:bob');
    const calls = [
      ['GET', ''],
      ['PATCH', '', { status: 'closed' }],
      ['GET', '/members'],
      ['PUT', '/members/user:carol', {}],
      ['DELETE', '/members/user:alice'],
      ['GET', '/messages'],
      ['POST', '/messages', { content: {} }],
      ['POST', '/read', {}],
    ] as const;
    const before = await fixture.stored();
    for (const [method, path, body] of calls) {
      const ask = (sessionId: string) =>
        fixture.call(method, `/api/sessions/${sessionId}${path}`, { body, as: 'user:carol' });
      const absent = await ask(absentId);
      expectProblem(absent, 'session_not_found');
      for (const other of [id, 'nonsense', `${id}0`, id.toLowerCase(), '%00']) {
        expect(same(await ask(other)), `${method} ${path} of ${other}`).toEqual(same(absent));
      }
    }
    expect(await fixture.stored()).toEqual(before);
  });
});

describe('PATCH /api/sessions/:id', () => {
  test('changes status and metadata', async () => {
    const id = await fixture.addSession('user:alice', 'user:bob');
    const closed = await patch(id, { status: 'closed', metadata: { a: 1 } }, 'user:alice');
    expect(closed.status).toBe(200);
    const { session } = sessionReplySchema.strict().parse(closed.body);
    expect(session).toMatchObject({ status: 'closed', metadata: { a: 1 }, version: 2 });
    const opened = await patch(id, { status: 'open', metadata: null });
    expect(opened.body.session).toMatchObject({ status: 'open', metadata: { a: 1 }, version: 3 });
    expect((await patch(id, {})).body.session.version).toBe(3);
  });

  test('only the initiator and the service may', async () => {
    const id = await fixture.addSession('user:alice', 'user:bob');
    const before = await fixture.stored();
    expectProblem(await patch(id, { status: 'closed' }, 'user:bob'), 'forbidden');
    const bad = await patch(id, { status: 'gone', metadata: [] });
    expectProblem(bad, 'invalid_request', {
      status: ['must be one of open, closed, archived'],
      metadata: ['must be an object'],
    });
    const empty = await fixture.call('PATCH', `/api/sessions/${id}`);
    expectProblem(empty, 'invalid_request', { body: ['must be a JSON object'] });
    expect(await fixture.stored()).toEqual(before);
  });

  function patch(id: string, body: unknown, as?: string) {
    return fixture.call('PATCH', `/api/sessions/${id}`, { body, ...(as !== undefined && { as }) });
  }
});

describe('GET /api/sessions', () => {
  const made: string[] = [];

  beforeAll(async () => {
    await fixture.addParticipants('user:lister');
    for (let index = 0; index < 23; index += 1) {
      made.unshift(await fixture.addSession('user:lister', index % 2 ? 'agent:helper' : 'user:dave'));
    }
  });

  test('pages through completely by cursor, newest first', async () => {
    expect((await list('participant_id=user:lister')).map(({ id }) => id)).toEqual(made);
    expect((await list('', 'user:lister')).map(({ id }) => id)).toEqual(made);
    expect((await list('')).length).toBeGreaterThan(made.length);
  });

  test('filters by kind and status', async () => {
    await fixture.call('PATCH', `/api/sessions/${made[0]}`, { body: { status: 'archived' } });
    const archived = await list('status=archived', 'user:lister');
    expect(archived.map(({ id }) => id)).toEqual([made[0]]);
    expect(await list('', 'user:lister')).toHaveLength(22);
    expect(await list('kind=agent_dm', 'user:lister')).toHaveLength(11);
  });

  test('a participant lists its own', async () => {
    expectProblem(await fixture.get('/api/sessions?participant_id=user:lister', 'user:dave'), 'forbidden');
    const { body } = await fixture.get('/api/sessions?participant_id=user:bob', 'user:bob');
    expect(body.sessions.length).toBeGreaterThan(0);
  });

  test.each([
    ['limit=abc', { limit: ['must be an integer'] }],
    ['limit=201', { limit: ['must be at most 200'] }],
    ['cursor=!', { cursor: ['must be a next_cursor of an earlier page'] }],
    ['participant_id=', { participant_id: [idHint] }],
    [
      'kind=dm&status=gone',
      {
        kind: ['must be one of human_dm, agent_dm, group'],
        status: ['must be one of open, closed, archived'],
      },
    ],
  ])('?%s is refused', async (query, errors) => {
    expectProblem(await fixture.get(`/api/sessions?${query}`), 'invalid_request', errors);
  });

  async function list(filter: string, as?: string): Promise<Session[]> {
    const found: Session[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const from: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const answer = await fixture.get(`/api/sessions?limit=5&${filter}${from}`, as);
      const page = sessionsReplySchema.strict().parse(answer.body);
      expect(page.sessions.length).toBeLessThanOrEqual(5);
      found.push(...page.sessions);
      cursor = page.next_cursor;
    }
    return found;
  }
});
