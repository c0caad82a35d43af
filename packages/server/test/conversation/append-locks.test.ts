import type { SessionId } from '@fleetlm/protocol';
import { type TestDatabase, waitUntil } from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/conversation/append/draft.ts';
import { removeMember } from '../../src/conversation/members.ts';
import { markRead } from '../../src/conversation/read-cursor.ts';
import { shardKeyOf } from '../../src/conversation/shard-key.ts';
import { alice, bob, carol, createAppender, createFixture, draft, type Fixture } from './fixtures.ts';

let fixture: Fixture;
/** Somebody else who holds locks. */
let holder: Client;

beforeAll(async () => {
  fixture = await createFixture();
});

afterAll(() => fixture[Symbol.asyncDispose]());

beforeEach(async () => {
  holder = await connect(fixture.database);
});

afterEach(() => holder.end());

describe('while the session is locked by somebody else', () => {
  test('a retry that races with the first attempt on another node is told of it, and nothing is stored twice', async () => {
    const session = await fixture.session();
    const otherNode = await createAppender(fixture.database.target);
    await holdSession(session);
    const same = draft(session, 'once', { clientId: 'k' });
    const outcomes = [
      fixture.append(same),
      new Promise<Outcome>((resolve) => otherNode.append(same, resolve)),
    ];
    await untilWaitingForLock(2);
    await holder.query('commit');

    const kinds = (await Promise.all(outcomes)).map((outcome) => outcome.kind).sort();
    expect(kinds).toEqual(['duplicate', 'stored']);
    expect(await fixture.log(session)).toHaveLength(1);
    await otherNode.stop();
  });

  test('a member removed meanwhile is not stored', async () => {
    const session = await fixture.session([alice, bob]);
    await holdSession(session);
    const removal = removeMember(fixture.db.kysely, session, bob);
    await untilWaitingForLock(1);
    const outcome = fixture.append(draft(session, 'too late', { senderId: bob }));
    await untilWaitingForLock(2);
    await holder.query('commit');

    expect(await removal).toBe('done');
    expect(await outcome).toEqual({ kind: 'not_a_member' });
    expect(await fixture.log(session)).toEqual([]);
  });

  test('the retry of a stored message succeeds even after its sender was removed', async () => {
    const session = await fixture.session([alice, bob]);
    const message = draft(session, 'x', { senderId: bob, clientId: 'k' });
    await fixture.append(message);
    await removeMember(fixture.db.kysely, session, bob);
    expect((await fixture.append(message)).kind).toBe('duplicate');
  });

  test('a session closed meanwhile takes nothing', async () => {
    const session = await fixture.session();
    await holdSession(session);
    await holder.query(`update chat_sessions set status = 'closed' where id = $1`, [session]);
    const outcome = fixture.append(draft(session, 'too late'));
    await untilWaitingForLock(1);
    await holder.query('commit');
    expect(await outcome).toEqual({ kind: 'session_closed' });
  });

  test('other sessions of the same lane go on, and its own messages come through in order', async () => {
    const [locked, free] = await sameLaneSessions();
    await holdSession(locked);
    const waiting = ['1', '2', '3'].map((text) => fixture.append(draft(locked, text)));
    await untilWaitingForLock(1);
    expect((await fixture.append(draft(free, 'not delayed'))).kind).toBe('stored');
    waiting.push(fixture.append(draft(locked, '4')));
    await holder.query('commit');

    const outcomes = await Promise.all(waiting);
    expect(outcomes).toMatchObject([1, 2, 3, 4].map((seq) => ({ kind: 'stored', message: { seq } })));
    const texts = (await fixture.log(locked)).map(([, , content]) => content);
    expect(texts).toEqual(['1', '2', '3', '4'].map((text) => ({ text })));
  });

  test('a member row that is locked holds up its session only', async () => {
    const [locked, free] = await sameLaneSessions();
    await holder.query('begin');
    await holder.query(
      'select 1 from session_members where session_id = $1 and participant_id = $2 for update',
      [locked, alice],
    );
    const waiting = fixture.append(draft(locked, 'x'));
    await untilWaitingForLock(1);
    expect((await fixture.append(draft(free, 'not delayed'))).kind).toBe('stored');
    await holder.query('commit');
    expect((await waiting).kind).toBe('stored');
  });

  test('past the deadline it is overloaded, and was never stored', async () => {
    const quick = await createAppender(fixture.database.target, {
      env: {
        FLEETLM_APPEND_DEADLINE_MS: '400',
        FLEETLM_APPEND_STATEMENT_TIMEOUT_MS: '300',
        FLEETLM_APPEND_LOCK_TIMEOUT_MS: '50',
      },
    });
    const session = await fixture.session();
    await holdSession(session);
    const outcome = await new Promise((resolve) => quick.append(draft(session, 'x'), resolve));
    expect(outcome).toEqual({ kind: 'overloaded' });
    await holder.query('commit');
    await quick.drain();
    expect(await fixture.log(session)).toEqual([]);
    await quick.stop();
  });
});

describe('marking read', () => {
  test('during an append: the count is that of the log, before or after', async () => {
    const session = await fixture.session([alice, bob]);
    for (const text of ['1', '2']) await fixture.append(draft(session, text));
    await holdMember(session, bob);
    const own = fixture.append(draft(session, 'mine', { senderId: bob }));
    await untilWaitingForLock(1);
    const read = markRead(fixture.db, session, bob, null);
    await untilWaitingForLock(2);
    await holder.query('commit');

    expect((await own).kind).toBe('stored');
    const cursor = await read;
    expect(cursor!.unread_count).toBe(await recount(session, 'user:bob'));
    expect((await markRead(fixture.db, session, bob, null))!.unread_count).toBe(0);
  });

  test('does not wait for an append of somebody else that holds the session', async () => {
    const session = await fixture.session([alice, bob]);
    await fixture.append(draft(session, 'x'));
    await holdSession(session);
    expect(await markRead(fixture.db, session, bob, null)).toMatchObject({
      last_read_seq: 1,
      unread_count: 0,
    });
    await holder.query('commit');
  });

  test('never goes back, never passes the end, and counts own messages as read', async () => {
    const session = await fixture.session([alice, bob]);
    for (const sender of [alice, bob, alice, bob, alice])
      await fixture.append(draft(session, 'x', { senderId: sender }));
    expect(await markRead(fixture.db, session, bob, 3)).toMatchObject({ last_read_seq: 3, unread_count: 1 });
    expect(await markRead(fixture.db, session, bob, 2)).toMatchObject({ last_read_seq: 3, unread_count: 1 });
    expect(await markRead(fixture.db, session, bob, 99)).toMatchObject({ last_read_seq: 5, unread_count: 0 });
    expect(await markRead(fixture.db, session, carol, null)).toBeNull();
  });
});

async function connect({ target }: TestDatabase): Promise<Client> {
  const client = new Client(target);
  await client.connect();
  return client;
}

async function holdSession(session: SessionId): Promise<void> {
  await holder.query('begin');
  await holder.query('select 1 from chat_sessions where id = $1 for update', [session]);
}

async function holdMember(session: SessionId, participant: string): Promise<void> {
  await holder.query('begin');
  const key = [session, participant];
  await holder.query(
    'select 1 from session_members where session_id = $1 and participant_id = $2 for update',
    key,
  );
}

/** Waits until that many connections to this database wait for a lock. */
async function untilWaitingForLock(count: number): Promise<void> {
  await waitUntil(async () => {
    const { rows } = await holder.query(
      `select count(*)::int as waiting from pg_stat_activity
       where wait_event_type = 'Lock' and datname = current_database()`,
    );
    return rows[0].waiting >= count;
  });
}

/** Two sessions that share a lane: with two lanes, among any three. */
async function sameLaneSessions(): Promise<[SessionId, SessionId]> {
  const sessions = await Promise.all([1, 2, 3].map(() => fixture.session()));
  const even = sessions.filter((session) => shardKeyOf(session) % 2 === 0);
  const pair = even.length >= 2 ? even : sessions.filter((session) => shardKeyOf(session) % 2 === 1);
  return [pair[0]!, pair[1]!];
}

async function recount(session: SessionId, reader: string): Promise<number> {
  const { rows } = await holder.query(
    `select count(*)::int as unread from chat_messages m join session_members r using (session_id)
     where m.session_id = $1 and r.participant_id = $2 and m.seq > r.last_read_seq and m.sender_id <> $2`,
    [session, reader],
  );
  return rows[0].unread;
}
