import type { MessageId, ParticipantId, SessionId } from '@fleetlm/protocol';
import { CompiledQuery } from 'kysely';
import { loadSql } from '../lib/load-sql.ts';
import type { Db } from '../storage/database.ts';

/** Where a reader is now. */
export interface ReadCursor {
  /** Whether this call moved it. */
  readonly has_moved: boolean;
  readonly last_read_seq: number;
  readonly last_read_message_id: MessageId | null;
  readonly last_read_at: string | null;
  readonly own_sent_through_read: number;
  readonly unread_count: number;
}

const lockMemberSql = loadSql(new URL('./sql/lock-member.sql', import.meta.url));
const markReadSql = loadSql(new URL('./sql/mark-read.sql', import.meta.url));

/**
 * Moves a member's cursor to `seq`, or to the end. Locks the member row only, so that reading never waits for
 * appends of others; two statements, so that the count is taken after the lock. Null: not a member.
 */
export async function markRead(
  db: Db,
  sessionId: SessionId,
  participantId: ParticipantId,
  seq: number | null,
): Promise<ReadCursor | null> {
  return db.kysely.transaction().execute(async (transaction) => {
    const locked = await transaction.executeQuery(
      CompiledQuery.raw(lockMemberSql, [sessionId, participantId]),
    );
    if (locked.rows.length === 0) return null;
    const { rows } = await transaction.executeQuery<ReadCursor>(
      CompiledQuery.raw(markReadSql, [sessionId, participantId, seq]),
    );
    return rows[0]!;
  });
}

/** Whether a session has more than `count` members now: it is not asked how many more. */
export async function hasMoreMembersThan(db: Db, sessionId: SessionId, count: number): Promise<boolean> {
  const members = await db.kysely
    .selectFrom('session_members')
    .select('participant_id')
    .where('session_id', '=', sessionId)
    .where('left_at', 'is', null)
    .limit(count + 1)
    .execute();
  return members.length > count;
}
