import { sessionReplySchema } from '@fleetlm/protocol';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Answer, expectProblem, type HttpFixture, startHttpFixture } from './http-fixture.ts';

let fixture: HttpFixture;
let session: string;
let messageIds: string[];

beforeAll(async () => {
  fixture = await startHttpFixture();
  await fixture.addParticipants('user:alice', 'user:bob', 'user:carol');
});

beforeEach(async () => {
  session = await fixture.addSession('user:alice', 'user:bob');
  messageIds = [];
  for (let index = 0; index < 3; index += 1) {
    const sent = await fixture.post(`/api/sessions/${session}/messages`, { content: {} }, 'user:alice');
    messageIds.push(sent.body.message.id);
  }
});

afterAll(() => fixture[Symbol.asyncDispose]());

test('marks as read up to a message, by id and by seq', async () => {
  const byId = await read({ participant_id: 'user:bob', message_id: messageIds[0] }, 'user:bob');
  expect(byId.status).toBe(200);
  const { session: seen } = sessionReplySchema.strict().parse(byId.body);
  expect(seen).toMatchObject({ id: session, peer_last_read_id: messageIds[0], initiator_last_read_id: null });
  const bySeq = await read({ participant_id: 'user:bob', seq: 2, message_id: null });
  expect(bySeq.body.session.peer_last_read_id).toBe(messageIds[1]);
});

test('marks as read to the end, for oneself, without any field or body', async () => {
  const all = await read({}, 'user:alice');
  expect(all.body.session.initiator_last_read_id).toBe(messageIds[2]);
  const without = await fixture.call('POST', `/api/sessions/${session}/read`, { as: 'user:bob' });
  expect(without.body.session.peer_last_read_id).toBe(messageIds[2]);
});

test('never goes back', async () => {
  await read({ seq: 3 }, 'user:bob');
  const back = await read({ seq: 1 }, 'user:bob');
  expect(back.body.session.peer_last_read_id).toBe(messageIds[2]);
  const far = await read({ seq: 1_000 }, 'user:bob');
  expect(far.body.session.peer_last_read_id).toBe(messageIds[2]);
});

test('refuses, and changes nothing', async () => {
  const before = await fixture.stored();
  expectProblem(await read({ participant_id: 'user:alice' }, 'user:bob'), 'forbidden');
  expectProblem(await read({ participant_id: 'user:carol' }), 'not_a_member');
  expectProblem(await read({}), 'invalid_request', {
    participant_id: ['is required: the service marks as read for a member'],
  });
  expectProblem(await read({ message_id: '01JZZZZZZZZZZZZZZZZZZZZZZZ' }, 'user:bob'), 'invalid_request', {
    message_id: ['is not a message of this session'],
  });
  expectProblem(await read({ seq: '1', message_id: 7, participant_id: '' }), 'invalid_request', {
    participant_id: ['must be 1 to 128 characters without control characters'],
    message_id: ['must be a message id'],
    seq: ['must be an integer'],
  });
  expectProblem(await read({ seq: 1, message_id: messageIds[0] }, 'user:bob'), 'invalid_request', {
    seq: ['must be left out when message_id is given'],
  });
  expectProblem(await read({ seq: -1 }, 'user:bob'), 'invalid_request', { seq: ['must not be negative'] });
  expect(await fixture.stored()).toEqual(before);
});

function read(body: unknown, as?: string): Promise<Answer> {
  return fixture.post(`/api/sessions/${session}/read`, body, as);
}
