import { membersReplySchema } from '@fleetlm/protocol';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type Answer,
  expectProblem,
  type HttpFixture,
  withoutRequestId as same,
  startHttpFixture,
} from './http-fixture.ts';

let fixture: HttpFixture;
let group: string;

beforeAll(async () => {
  fixture = await startHttpFixture({ env: { FLEETLM_GROUP_MEMBERS: '3' } });
  await fixture.addParticipants('user:alice', 'user:bob', 'user:carol', 'user:dave', 'agent:helper');
  await fixture.call('PUT', '/api/participants/user:off', { body: { status: 'disabled' } });
});

beforeEach(async () => {
  group = await fixture.addGroup('user:alice', 'user:bob');
});

afterAll(() => fixture[Symbol.asyncDispose]());

test('lists members in the order of their joining', async () => {
  const answer = await fixture.get(`/api/sessions/${group}/members`, 'user:bob');
  expect(answer.status).toBe(200);
  const { members } = membersReplySchema.strict().parse(answer.body);
  expect(members).toMatchObject([
    { participant_id: 'user:alice', role: 'initiator', wake: 'mention', last_read_seq: 0 },
    { participant_id: 'user:bob', role: 'member', wake: 'mention', last_read_seq: 0 },
  ]);
});

test('adds a member, once, with or without a body', async () => {
  const added = await put('agent:helper', { wake: 'always' }, 'user:alice');
  expect(added.status).toBe(200);
  expect(idsOf(added)).toEqual(['user:alice', 'user:bob', 'agent:helper']);
  expect(added.body.members[2].wake).toBe('always');
  const again = await fixture.call('PUT', `/api/sessions/${group}/members/agent%3Ahelper`);
  expect(again.body).toEqual(added.body);
  const changed = await put('agent:helper', { wake: 'never' });
  expect(changed.body.members[2].wake).toBe('never');
});

test('removes a member, once; anyone may leave', async () => {
  expect(idsOf(await remove('user:bob', 'user:bob'))).toEqual(['user:alice']);
  expect(idsOf(await remove('user:bob', 'user:alice'))).toEqual(['user:alice']);
  expectProblem(await fixture.get(`/api/sessions/${group}/members`, 'user:bob'), 'session_not_found');
  expect(idsOf(await put('user:bob', {}))).toEqual(['user:alice', 'user:bob']);
  const withType = { headers: { 'content-type': 'application/json' } };
  const deleted = await fixture.call('DELETE', `/api/sessions/${group}/members/user:bob`, withType);
  expect(idsOf(deleted)).toEqual(['user:alice']);
});

test('refuses, and changes nothing', async () => {
  const direct = await fixture.addSession('user:alice', 'user:bob');
  await put('user:carol', {});
  const before = await fixture.stored();
  expectProblem(await put('user:dave', {}, 'user:bob'), 'forbidden');
  expectProblem(await remove('user:alice', 'user:bob'), 'forbidden');
  expectProblem(await put('user:dave', {}), 'invalid_request', {
    participant_id: ['would be one member more than 3'],
  });
  expectProblem(await put('user:off', {}), 'invalid_request', { participant_id: ['user:off is disabled'] });
  expectProblem(await put('user:nobody', {}), 'invalid_request');
  expectProblem(await put('user:dave', { wake: 'sometimes' }), 'invalid_request', {
    wake: ['must be one of mention, always, never'],
  });
  expectProblem(await put('user:dave', 'always'), 'invalid_request', { body: ['must be a JSON object'] });
  for (const method of ['PUT', 'DELETE']) {
    const answer = await fixture.call(method, `/api/sessions/${direct}/members/user:bob`);
    expectProblem(answer, 'not_a_group');
  }
  expect(await fixture.stored()).toEqual(before);
});

test('a member id that nobody can have is not found, in any session', async () => {
  const bad = 'x'.repeat(129);
  for (const method of ['PUT', 'DELETE']) {
    const visible = await fixture.call(method, `/api/sessions/${group}/members/${bad}`);
    expectProblem(visible, 'participant_not_found');
    const hidden = await fixture.call(method, `/api/sessions/${group}/members/${bad}`, { as: 'user:dave' });
    expect(same(hidden)).toEqual(same(visible));
  }
});

function put(id: string, body: unknown, as?: string): Promise<Answer> {
  const path = `/api/sessions/${group}/members/${id}`;
  return fixture.call('PUT', path, { body, ...(as !== undefined && { as }) });
}

function remove(id: string, as: string): Promise<Answer> {
  return fixture.call('DELETE', `/api/sessions/${group}/members/${id}`, { as });
}

function idsOf({ body }: Answer): string[] {
  return membersReplySchema
    .strict()
    .parse(body)
    .members.map((member) => member.participant_id);
}
