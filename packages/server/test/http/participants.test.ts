import { type Participant, participantReplySchema, participantsReplySchema } from '@fleetlm/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  expectProblem,
  type HttpFixture,
  withoutRequestId as same,
  startHttpFixture,
} from './http-fixture.ts';

let fixture: HttpFixture;

beforeAll(async () => {
  fixture = await startHttpFixture();
});

afterAll(() => fixture[Symbol.asyncDispose]());

function put(id: string, body: unknown, as?: string) {
  return fixture.call('PUT', `/api/participants/${id}`, { body, ...(as !== undefined && { as }) });
}

describe('PUT /api/participants/:id', () => {
  test('makes a participant, with defaults', async () => {
    const { status, body } = await fixture.call('PUT', '/api/participants/user:new');
    expect(status).toBe(200);
    const { participant } = participantReplySchema.strict().parse(body);
    expect(participant).toMatchObject({
      id: 'user:new',
      kind: 'user',
      display_name: null,
      status: 'active',
      metadata: {},
    });
  });

  test('sets all fields, and changes only those that are given', async () => {
    const metadata = { team: ['a', { b: null }], constructor: 'data' };
    await put('agent:full', { kind: 'agent', display_name: 'Füll 🙂', status: 'active', metadata });
    const { body } = await put('agent:full', { status: 'disabled', metadata: null, kind: null, extra: 1 });
    expect(body.participant).toMatchObject({
      kind: 'agent',
      display_name: 'Füll 🙂',
      status: 'disabled',
      metadata,
    });
  });

  test('a display_name of null takes the name away', async () => {
    await put('user:named', { display_name: 'Name' });
    const { body } = await put('user:named', { display_name: null });
    expect(body.participant.display_name).toBe(null);
  });

  test('a participant may change what it shows of itself, and nothing else', async () => {
    await put('user:self', {});
    const own = await put('user:self', { display_name: 'Me' }, 'user:self');
    expect(own.body.participant.display_name).toBe('Me');
    const before = await fixture.stored();
    expectProblem(await put('user:self', { kind: 'agent' }, 'user:self'), 'forbidden');
    expectProblem(await put('user:self', { status: 'disabled' }, 'user:self'), 'forbidden');
    expectProblem(await put('user:other', { display_name: 'x' }, 'user:self'), 'forbidden');
    expect(await fixture.stored()).toEqual(before);
  });

  test('names every bad field', async () => {
    const before = await fixture.stored();
    const answer = await put('user:bad', { kind: 'robot', display_name: 7, status: true, metadata: [] });
    expectProblem(answer, 'invalid_request', {
      kind: ['must be one of user, agent, system'],
      display_name: ['must be a text of at most 256 characters'],
      status: ['must be one of active, disabled'],
      metadata: ['must be an object'],
    });
    expectProblem(await put('user:bad', { display_name: 'x'.repeat(257) }), 'invalid_request');
    expectProblem(await put('user:bad', { display_name: 'a\0b' }), 'invalid_request');
    expectProblem(await put('user:bad', { display_name: '\ud800' }), 'invalid_request');
    expectProblem(await put('user:bad', []), 'invalid_request', { body: ['must be a JSON object'] });
    expect(await fixture.stored()).toEqual(before);
  });
});

describe('GET /api/participants/:id', () => {
  beforeAll(() => fixture.addParticipants('user:alice', 'user:bob'));

  test.each(['user:alice', 'user%3Aalice', '%75ser:alice'])('finds alice as %s', async (id) => {
    const { status, body } = await fixture.get(`/api/participants/${id}`);
    expect(status).toBe(200);
    expect(participantReplySchema.strict().parse(body).participant.id).toBe('user:alice');
  });

  test.each(['a/b', 'a%b', 'a?b#c', 'ünï 日本', 'a b+c', 'a;b=c&d'])('the id %j survives', async (id) => {
    const path = `/api/participants/${encodeURIComponent(id)}`;
    const made = await fixture.call('PUT', path, { body: {} });
    const found = await fixture.get(path);
    expect(found.body).toEqual(made.body);
    expect(found.body.participant.id).toBe(id);
  });

  test('absent, hidden and impossible look alike', async () => {
    const absent = await fixture.get('/api/participants/user:nobody');
    expectProblem(absent, 'participant_not_found');
    const hidden = await fixture.get('/api/participants/user:bob', 'user:alice');
    expect(same(hidden)).toEqual(same(absent));
    for (const id of ['x'.repeat(129), 'x'.repeat(5_000), 'a%00b', '%0A']) {
      expect(same(await fixture.get(`/api/participants/${id}`))).toEqual(same(absent));
    }
    expect((await fixture.get('/api/participants/user:alice', 'user:alice')).status).toBe(200);
  });

  test('PUT of an impossible id stores nothing', async () => {
    const before = await fixture.stored();
    expectProblem(await put('x'.repeat(129), {}), 'participant_not_found');
    expectProblem(await put('a%00b', {}), 'participant_not_found');
    expect(await fixture.stored()).toEqual(before);
  });
});

describe('GET /api/participants', () => {
  beforeAll(async () => {
    for (let index = 0; index < 25; index += 1) {
      await put(`list:${index}`, { kind: 'agent', status: index % 2 ? 'disabled' : 'active' });
    }
  });

  test('pages through completely by cursor', async () => {
    const rows = await fixture.db.kysely.selectFrom('participants').select('id').orderBy('id').execute();
    expect((await list('')).map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
  });

  test('filters by kind and status', async () => {
    const agents = (await list('&kind=agent&status=disabled')).filter(({ id }) => id.startsWith('list:'));
    expect(agents).toHaveLength(12);
    expect(agents.every(({ kind, status }) => kind === 'agent' && status === 'disabled')).toBe(true);
  });

  test('a participant finds itself', async () => {
    const { body } = await fixture.get('/api/participants', 'user:alice');
    expect(body.participants.map(({ id }: Participant) => id)).toEqual(['user:alice']);
    expect(body.next_cursor).toBe(null);
  });

  test.each([
    ['limit=abc', { limit: ['must be an integer'] }],
    ['limit=', { limit: ['must be an integer'] }],
    ['limit=1e1', { limit: ['must be an integer'] }],
    ['limit=1&limit=2', { limit: ['must be an integer'] }],
    ['limit=0', { limit: ['must be at least 1'] }],
    ['limit=201', { limit: ['must be at most 200'] }],
    ['cursor=%25%25', { cursor: ['must be a next_cursor of an earlier page'] }],
    ['cursor=AA', { cursor: ['must be a next_cursor of an earlier page'] }],
    ['cursor=a&cursor=b', { cursor: ['must be a next_cursor of an earlier page'] }],
    [
      'kind=robot&status=asleep',
      { kind: ['must be one of user, agent, system'], status: ['must be one of active, disabled'] },
    ],
  ])('?%s is refused', async (query, errors) => {
    expectProblem(await fixture.get(`/api/participants?${query}`), 'invalid_request', errors);
  });

  async function list(filter: string): Promise<Participant[]> {
    const found: Participant[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const from: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const answer = await fixture.get(`/api/participants?limit=7${filter}${from}`);
      const page = participantsReplySchema.strict().parse(answer.body);
      expect(page.participants.length).toBeLessThanOrEqual(7);
      found.push(...page.participants);
      cursor = page.next_cursor;
    }
    return found;
  }
});
