import { inboxReplySchema } from '@fleetlm/protocol';
import { addParticipants, fillInbox, startTestServer, type TestServer } from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ann = 'user:ann';
const bob = 'user:bob';

const sessionIdLike = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

let server: TestServer;
/** Bob's sessions, the newest activity first. */
let sessions: string[];

beforeAll(async () => {
  server = await startTestServer();
  await addParticipants(server, ann, 'user:new');
  sessions = await fillInbox(server.database.url, { participantId: bob, peerId: ann, count: 500 });
});
afterAll(() => server[Symbol.asyncDispose]());

function get(query = '', as = bob, of = bob) {
  return server.api('GET', `/api/participants/${of}/inbox${query}`, { as });
}

describe('GET /api/participants/:id/inbox', () => {
  test('has the exact shape', async () => {
    const { status, body } = await get('?limit=2');
    expect(status).toBe(200);
    inboxReplySchema.strict().parse(body);
    expect(body.conversations[0]).toEqual({
      session_id: sessions[0],
      kind: 'human_dm',
      status: 'open',
      metadata: {},
      last_seq: 1,
      last_message_id: expect.any(String),
      last_message_at: expect.any(String),
      last_message_preview: 'message 1',
      agent_id: null,
      initiator_id: ann,
      peer_id: bob,
      initiator_last_read_id: null,
      initiator_last_read_at: null,
      peer_last_read_id: null,
      peer_last_read_at: null,
      unread_count: 1,
    });
  });

  test.each([1, 7, 50, 200])('pages of %i: every session once, the newest activity first', async (limit) => {
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null && seen.length < (limit === 1 ? 20 : 1_000)) {
      const from: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const { body } = await get(`?limit=${limit}${from}`);
      expect(body.conversations.length).toBeLessThanOrEqual(limit);
      seen.push(...body.conversations.map((each: { session_id: string }) => each.session_id));
      cursor = body.next_cursor;
    }
    expect(seen).toEqual(limit === 1 ? sessions.slice(0, 20) : sessions);
  });

  test('50 a page when nothing is said', async () => {
    expect((await get()).body.conversations).toHaveLength(50);
  });

  test('of somebody without sessions it is empty', async () => {
    expect((await get('', 'user:new', 'user:new')).body).toEqual({ conversations: [], next_cursor: null });
  });

  test('of somebody else, or of nobody, there is none', async () => {
    for (const [as, of] of [
      [ann, bob],
      ['user:nobody', 'user:nobody'],
      [bob, 'user:nobody'],
    ]) {
      const { status, body } = await get('', as, of);
      expect([status, body.code]).toEqual([404, 'participant_not_found']);
    }
  });

  const cursors = {
    'no base64url': '!',
    'of another list': base64(sessionIdLike),
    'without a session': base64('2026-01-01T00:00:00.000Z'),
    'with a time that Postgres does not know': base64(`0000-01-01T00:00:00.000Z ${sessionIdLike}`),
    'with a day that is none': base64(`2026-02-31T00:00:00.000Z ${sessionIdLike}`),
    'with another form of time': base64(`1 ${sessionIdLike}`),
    'with more than that': base64(`2026-01-01T00:00:00.000Z ${sessionIdLike.slice(1)}'`),
  };
  test.each(Object.entries(cursors))('a cursor %s: 422', async (_, cursor) => {
    const { status, body } = await get(`?cursor=${encodeURIComponent(cursor)}`);
    expect([status, body.errors]).toEqual([422, { cursor: ['must be a next_cursor of an earlier page'] }]);
  });
});

function base64(text: string): string {
  return Buffer.from(text).toString('base64url');
}
