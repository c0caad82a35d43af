import type { StreamId } from '@fleetlm/protocol';
import { sql } from 'kysely';
import { loadSql } from '../../lib/load-sql.ts';
import { textArray } from '../../storage/binary-array.ts';
import type { Db } from '../../storage/database.ts';
import type { Chunk } from '../../streams/chunk.ts';
import type { StreamSegment } from '../../streams/stream-assembler.ts';

/** A stretch of a stream, to be saved. */
export interface SavedSegment extends StreamSegment {
  readonly streamId: StreamId;
}

const saveStatement = {
  name: 'save-segments',
  text: loadSql(new URL('./sql/save-segments.sql', import.meta.url)),
};

/** Saves stretches of running streams, in one statement. As JSON, NUL and halves of characters are escaped. */
export async function saveSegments(db: Db, segments: readonly SavedSegment[]): Promise<void> {
  await db.query(saveStatement, [
    textArray(segments.map((segment) => segment.streamId)),
    segments.map((segment) => segment.firstIndex),
    segments.map((segment) => segment.nextIndex),
    textArray(segments.map((segment) => JSON.stringify(segment.chunks))),
  ]);
}

/** What was saved of a stream, in order. */
export async function readSegments(db: Db, streamId: StreamId): Promise<Chunk[]> {
  const rows = await db.kysely
    .selectFrom('agent_stream_segments')
    .select('chunks')
    .where('stream_id', '=', streamId)
    .orderBy('first_index')
    .execute();
  return rows.flatMap((row) => JSON.parse(row.chunks) as Chunk[]);
}

/** Segments of streams that are over: they were saved while their stream ended. */
export async function removeStraySegments(db: Db): Promise<void> {
  await sql`delete from agent_stream_segments s where ${isOver}`.execute(db.kysely);
}

/** The same, of some streams. One that another node has taken over still needs them. */
export async function removeSegmentsOf(db: Db, streamIds: readonly StreamId[]): Promise<void> {
  await sql`
    delete from agent_stream_segments s where s.stream_id = any (${[...streamIds]}::text[]) and ${isOver}
  `.execute(db.kysely);
}

const isOver = sql`not exists (
  select from agent_turns t where t.stream_id = s.stream_id and t.status = 'running'
)`;
