import type { ParticipantId, SessionId } from '@fleetlm/protocol';
import { CompiledQuery } from 'kysely';
import { loadSql } from '../lib/load-sql.ts';
import type { Db } from '../storage/database.ts';

/** Where a reader is now. */
export interface ReadCursor {
  readonly last_read_seq: number;
  readonly last_read_at: string | null;
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
