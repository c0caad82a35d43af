import type { MessageId, Seq, SessionId } from '@fleetlm/protocol';
import { loadSql } from '../lib/load-sql.ts';
import type { Db } from '../storage/database.ts';
import { type MessageFields, StoredMessage } from './stored-message.ts';

/** Which part of a session's log: cursors are exclusive; without any, its newest messages. */
export interface HistoryRange {
  readonly afterSeq?: number | undefined;
  readonly beforeSeq?: number | undefined;
  readonly limit: number;
}

/** A page ends when it holds this much JSON: a reader's memory, and ours, is bounded whatever was sent. */
const maxPageBytes = 256 << 10;

const afterStatement = {
  name: 'history-after',
  text: loadSql(new URL('./sql/history-after.sql', import.meta.url)),
};
const beforeStatement = {
  name: 'history-before',
  text: loadSql(new URL('./sql/history-before.sql', import.meta.url)),
};

interface MessageRow {
  readonly id: MessageId;
  readonly seq: Seq;
  readonly sender_id: MessageFields['senderId'];
  readonly kind: MessageFields['kind'];
  readonly content: string;
  readonly metadata: string;
  readonly client_id: string | null;
  readonly inserted_at: string;
}

/** Messages of a session, ascending: at most `limit` and 256 KiB, but at least one if there is one. */
export async function readHistory(
  db: Db,
  sessionId: SessionId,
  range: HistoryRange,
): Promise<StoredMessage[]> {
  const { afterSeq, beforeSeq = Number.MAX_SAFE_INTEGER, limit } = range;
  if (afterSeq === undefined) {
    const rows = await db.query<MessageRow>(beforeStatement, [sessionId, beforeSeq, limit, maxPageBytes]);
    return trimPage(toMessages(sessionId, rows), 'keep newest');
  }
  const rows = await db.query<MessageRow>(afterStatement, [
    sessionId,
    afterSeq,
    beforeSeq,
    limit,
    maxPageBytes,
  ]);
  return trimPage(toMessages(sessionId, rows), 'keep oldest');
}

/** The seq of a message in this session, or null. */
export async function findSeq(db: Db, sessionId: SessionId, messageId: MessageId): Promise<Seq | null> {
  const row = await db.kysely
    .selectFrom('chat_messages')
    .select('seq')
    .where('id', '=', messageId)
    .where('session_id', '=', sessionId)
    .executeTakeFirst();
  return (row?.seq ?? null) as Seq | null;
}

/** The part of a page that fits `maxPageBytes`, from its older or its newer end: one message at least. */
export function trimPage(
  page: readonly StoredMessage[],
  side: 'keep oldest' | 'keep newest',
): StoredMessage[] {
  const ordered = side === 'keep oldest' ? page : page.toReversed();
  let bytes = 0;
  const fitting = ordered.findIndex((message) => {
    bytes += Buffer.byteLength(message.json);
    return bytes > maxPageBytes;
  });
  const kept = fitting === -1 ? [...ordered] : ordered.slice(0, Math.max(fitting, 1));
  return side === 'keep oldest' ? kept : kept.reverse();
}

function toMessages(sessionId: SessionId, rows: readonly MessageRow[]): StoredMessage[] {
  return rows.map(
    (row) =>
      new StoredMessage({
        id: row.id,
        sessionId,
        seq: row.seq,
        senderId: row.sender_id,
        kind: row.kind,
        contentJson: row.content,
        metadataJson: row.metadata,
        clientId: row.client_id,
        insertedAt: row.inserted_at,
      }),
  );
}
