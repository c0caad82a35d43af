import { startTestServer, type TestServer, testDatabase } from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FilledSample, fillConversations, sampleConversations } from '../src/fill-conversations.ts';
import { query } from '../src/postgres.ts';

/** Two initiators; an odd number, so that one member has sent more than the other. */
const order = { sessions: 60, messagesEach: 7 };

let server: TestServer;
let sample: FilledSample;

beforeAll(async () => {
  const database = await testDatabase();
  await fillConversations(database.target, order);
  server = await startTestServer({ database });
  sample = await sampleConversations(database.target, order, 20);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await server.database[Symbol.asyncDispose]();
});

describe('a filled database', () => {
  test('says of each session what its messages say', async () => {
    const wrong = await find(`
      select s.id from chat_sessions s join (
        select session_id, count(*) as count, min(seq) as first, max(seq) as last, min(inserted_at) as began,
          (array_agg(id order by seq desc))[1] as last_id, max(inserted_at) as ended, array_agg(sender_id) as senders
        from chat_messages group by session_id
      ) log on log.session_id = s.id
      where (log.count, log.first, log.last, log.last_id, log.ended, log.began)
        is distinct from (${order.messagesEach}, 1, s.last_seq, s.last_message_id, s.last_message_at, s.inserted_at)
        or not array[s.initiator_id, s.peer_id] @> log.senders`);
    expect(wrong).toEqual([]);
    expect(await find('select id from chat_sessions')).toHaveLength(order.sessions);
  });

  test('says of each member what its messages say', async () => {
    const wrong = await find(`
      select m.session_id, m.participant_id from session_members m
      join chat_sessions s on s.id = m.session_id
      left join chat_messages read on read.session_id = m.session_id and read.seq = m.last_read_seq
      cross join lateral (
        select count(*) as sent, count(*) filter (where seq <= m.last_read_seq) as sent_through_read
        from chat_messages c where c.session_id = m.session_id and c.sender_id = m.participant_id
      ) own
      where (own.sent, own.sent_through_read, read.id, read.inserted_at, s.last_message_at)
        is distinct from (m.own_sent, m.own_sent_through_read, m.last_read_message_id, m.last_read_at, m.activity_at)
        or m.participant_id <> case m.role when 'initiator' then s.initiator_id else s.peer_id end`);
    expect(wrong).toEqual([]);
    expect(await find('select 1 from session_members')).toHaveLength(2 * order.sessions);
  });

  test('has ULIDs of the messages’ times, in the order in which they lie', async () => {
    const messages = await query<{ id: string; session_id: string; inserted_at: Date }>(
      server.database.target,
      'select id, session_id, inserted_at from chat_messages order by ctid',
    );
    const ids = messages.map(({ id }) => id);
    expect([...ids, ...messages.map(({ session_id }) => session_id)].filter((id) => !ulid.test(id))).toEqual(
      [],
    );
    expect(ids.map(timeOf)).toEqual(messages.map(({ inserted_at }) => inserted_at.getTime()));
    expect(ids).toEqual(ids.toSorted());
    // Those of one session lie apart: somebody else writes between them.
    const neighbours = messages.filter(
      ({ session_id }, place) => session_id === messages[place + 1]?.session_id,
    );
    expect(neighbours).toEqual([]);
  });

  test('is refused when conversations would be left over', async () => {
    const refused = fillConversations(server.database.target, { sessions: 150, messagesEach: 1 });
    await expect(refused).rejects.toThrow('no multiple of 100');
  });
});

describe('a server on it', () => {
  test('counts what is unread as somebody does who counts', async () => {
    const counted = await query<{ participant_id: string; unread: Record<string, number> }>(
      server.database.target,
      `select participant_id, json_object_agg(session_id, (
         select count(*) from chat_messages c
         where c.session_id = m.session_id and c.seq > m.last_read_seq and c.sender_id <> m.participant_id
       )) as unread from session_members m group by participant_id`,
    );
    expect(counted).toHaveLength(order.sessions + sample.people.length);
    expect(Object.values(counted[0]!.unread).some((count) => count > 0)).toBe(true);
    const told = await Promise.all(counted.map(({ participant_id }) => unreadOf(participant_id)));
    expect(told).toEqual(counted.map(({ unread }) => unread));
  });

  test('shows all messages of a session, and appends the next', async () => {
    const { id, initiatorId, peerId } = sample.sessions[30]!;
    const path = `/api/sessions/${id}/messages`;
    const { body: history } = await server.api('GET', `${path}?limit=200`, { as: peerId });
    const seqs = history.messages.map(({ seq }: { seq: number }) => seq);
    expect(seqs).toEqual([1, 2, 3, 4, 5, 6, 7]);
    const before = (await unreadOf(peerId))[id]!;
    const sent = await server.api('POST', path, { as: initiatorId, body: { content: { text: 'next' } } });
    expect(sent.body.message.seq).toBe(8);
    expect((await unreadOf(peerId))[id]).toBe(before + 1);
  });
});

test('a sample has initiators from all over, with all of their sessions', async () => {
  expect(sample.people).toEqual(['user:a0', 'user:a1']);
  expect(sample.sessions).toHaveLength(order.sessions);
  const one = await sampleConversations(server.database.target, order, 1);
  expect(one.people).toEqual(['user:a0']);
  expect(one.sessions).toHaveLength(30);
});

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const ulid = new RegExp(`^[0-7][${crockford}]{25}$`);

function timeOf(id: string): number {
  return [...id.slice(0, 10)].reduce((ms, digit) => ms * 32 + crockford.indexOf(digit), 0);
}

function find(text: string): Promise<object[]> {
  return query(server.database.target, text);
}

/** Unread counts by session id, as the server tells them. */
async function unreadOf(participantId: string): Promise<Record<string, number>> {
  const { body } = await server.api('GET', `/api/participants/${participantId}/inbox`, { as: participantId });
  return Object.fromEntries(
    body.conversations.map((one: { session_id: string; unread_count: number }) => [
      one.session_id,
      one.unread_count,
    ]),
  );
}
