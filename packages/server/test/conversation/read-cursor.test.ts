import type { ParticipantId, SessionId } from '@fleetlm/protocol';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { markRead } from '../../src/conversation/read-cursor.ts';
import { alice, bob, createFixture, draft, type Fixture, stranger } from './fixtures.ts';

let fixture: Fixture;
let sessionId: SessionId;

beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

beforeEach(async () => {
  sessionId = await fixture.session();
});

async function say(...senders: readonly ParticipantId[]): Promise<void> {
  await Promise.all(senders.map((senderId) => fixture.append(draft(sessionId, 'hi', { senderId }))));
}

/** Where a member is by the tables, and how much of the log it has not read. */
async function recount(participantId: ParticipantId): Promise<{ cursor: number; unread: number }> {
  const { rows } = await sql<{ cursor: number; unread: number }>`
    select m.last_read_seq::int as cursor, (
      select count(*)::int from chat_messages c
      where c.session_id = m.session_id and c.seq > m.last_read_seq and c.sender_id <> m.participant_id
    ) as unread
    from session_members m
    where m.session_id = ${sessionId} and m.participant_id = ${participantId}`.execute(fixture.db.kysely);
  return rows[0]!;
}

/** What a read that moves nothing says. */
async function told(participantId: ParticipantId): Promise<{ cursor: number; unread: number }> {
  const read = await markRead(fixture.db, sessionId, participantId, 0);
  return { cursor: read!.last_read_seq, unread: read!.unread_count };
}

describe('a cursor', () => {
  test('goes where it is told, never back, never beyond the end', async () => {
    await say(alice, bob, alice, alice);
    for (const [seq, cursor, unread] of [
      [2, 2, 2],
      [1, 2, 2],
      [3, 3, 1],
      [99, 4, 0],
      [0, 4, 0],
    ] as const) {
      await markRead(fixture.db, sessionId, bob, seq);
      expect(await told(bob)).toEqual({ cursor, unread });
    }
  });

  test('says whether it has moved, and which message it is at', async () => {
    await say(alice, alice);
    const moved = await markRead(fixture.db, sessionId, bob, null);
    expect(moved).toMatchObject({ has_moved: true, last_read_seq: 2, unread_count: 0 });
    expect(await markRead(fixture.db, sessionId, bob, null)).toEqual({ ...moved, has_moved: false });
  });

  test('two devices end at the greater one, whichever came first', async () => {
    await say(...Array.from({ length: 20 }, () => alice));
    await Promise.all([3, 17, 5, 11, 17, 2].map((seq) => markRead(fixture.db, sessionId, bob, seq)));
    expect(await told(bob)).toEqual({ cursor: 17, unread: 3 });
  });

  test('is only a member’s', async () => {
    expect(await markRead(fixture.db, sessionId, stranger, null)).toBeNull();
  });
});

test('who sends and reads at the same moment is counted right', { timeout: 30_000 }, async () => {
  for (let round = 0; round < 150; round += 1) {
    const reads = [null, round * 3, null].map((seq) => markRead(fixture.db, sessionId, bob, seq));
    await Promise.all([say(bob, alice, bob), ...reads, say(bob), markRead(fixture.db, sessionId, bob, null)]);
    expect(await told(bob)).toEqual(await recount(bob));
  }
});
