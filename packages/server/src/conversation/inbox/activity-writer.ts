import type { MessageId, SessionId } from '@fleetlm/protocol';
import { LRUCache } from 'lru-cache';
import { decodeTime, encodeTime } from 'ulid';
import { loadSql } from '../../lib/load-sql.ts';
import type { Log } from '../../lib/log.ts';
import type { Db } from '../../storage/database.ts';
import type { StoredMessage } from '../stored-message.ts';

/** A session's activity is written at most this often: inboxes are ordered to the minute. */
const writeIntervalMs = 60_000;
/** The first message after a quiet minute is seen in the order of inboxes within twice this. */
const tickMs = 2_500;
/** Sessions of one statement: with groups of 1,000 it still takes well under a second. */
const maxSessionsPerWrite = 500;
/** Sessions whose last write is remembered; one that is forgotten is written a little too soon. */
const maxRemembered = 100_000;
/** What a killed node may not have written: an interval and some ticks. */
const repairWindowMs = 3 * writeIntervalMs;

const writeStatement = {
  name: 'write-activity',
  text: loadSql(new URL('./sql/write-activity.sql', import.meta.url)),
};
const staleStatement = {
  name: 'stale-activity',
  text: loadSql(new URL('./sql/stale-activity.sql', import.meta.url)),
};
const newestStatement = { name: 'newest-message', text: 'select max(id) as id from chat_messages' };
const recentStatement = {
  name: 'recent-sessions',
  text: loadSql(new URL('./sql/recent-sessions.sql', import.meta.url)),
};

/**
 * Keeps `session_members.activity_at`, by which inbox pages are ordered, off the append's path: a busy session
 * costs one statement a minute, shared with others, and appends cost a map entry.
 */
export class ActivityWriter {
  readonly #db: Db;
  readonly #log: Log;
  /** Sessions with news: the time of the newest message, and when it may be written. */
  readonly #due = new Map<SessionId, { at: string; readonly dueMs: number }>();
  readonly #writtenMs = new LRUCache<SessionId, number>({ max: maxRemembered });
  #timer: NodeJS.Timeout | null = null;
  /** What is being written or repaired; ticks that come meanwhile are left out. */
  #working: Promise<void> | null = null;

  constructor(db: Db, log: Log) {
    this.#db = db;
    this.#log = log;
  }

  /** Sessions whose newest message is not in the order of inboxes yet. */
  unwritten(): SessionId[] {
    return [...this.#due.keys()];
  }

  /** Starts to write, and finds what an earlier process left undone. */
  start(): void {
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.#work(() => this.#repair());
  }

  committed(messages: readonly StoredMessage[]): void {
    for (const { sessionId, fields } of messages) this.#note(sessionId, fields.insertedAt);
  }

  /** Writes what is left, due or not. */
  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
    await this.#working;
    await this.#guarded(() => this.#write([...this.#due.keys()]));
  }

  #note(sessionId: SessionId, at: string): void {
    const due = this.#due.get(sessionId);
    if (due) {
      due.at = at;
      return;
    }
    const writtenMs = this.#writtenMs.get(sessionId);
    this.#due.set(sessionId, { at, dueMs: writtenMs === undefined ? 0 : writtenMs + writeIntervalMs });
  }

  #tick(): void {
    if (this.#working) return;
    const nowMs = performance.now();
    const sessions = [...this.#due].filter(([, { dueMs }]) => dueMs <= nowMs).map(([sessionId]) => sessionId);
    if (sessions.length > 0) this.#work(() => this.#write(sessions));
  }

  #work(work: () => Promise<void>): void {
    this.#working = this.#guarded(work).finally(() => {
      this.#working = null;
    });
  }

  async #write(sessions: readonly SessionId[]): Promise<void> {
    for (let start = 0; start < sessions.length; start += maxSessionsPerWrite) {
      await this.#writeSome(sessions.slice(start, start + maxSessionsPerWrite));
    }
  }

  /** Sessions of which somebody held a row stay due. */
  async #writeSome(sessions: readonly SessionId[]): Promise<void> {
    const written = new Map(
      sessions.flatMap((id) => (this.#due.has(id) ? [[id, this.#due.get(id)!.at]] : [])),
    );
    const values = [[...written.keys()], [...written.values()]];
    await this.#db.query(writeStatement, values);
    const stale = await this.#db.query<{ session_id: SessionId }>(staleStatement, values);
    const skipped = new Set(stale.map((row) => row.session_id));
    for (const [sessionId, at] of written) {
      if (skipped.has(sessionId)) continue;
      this.#writtenMs.set(sessionId, performance.now());
      const newer = this.#due.get(sessionId)?.at;
      this.#due.delete(sessionId);
      // What came while it was written waits for its minute.
      if (newer !== undefined && newer !== at) this.#note(sessionId, newer);
    }
  }

  /** The process before may have ended long ago: its last minutes are those before the newest message. */
  async #repair(): Promise<void> {
    const [newest] = await this.#db.query<{ id: MessageId | null }>(newestStatement, []);
    const endMs = newest?.id ? Math.min(decodeTime(newest.id), Date.now()) : Date.now();
    const since = `${encodeTime(Math.max(endMs - repairWindowMs, 0), 10)}${'0'.repeat(16)}`;
    const rows = await this.#db.query<{ session_id: SessionId; at: string }>(recentStatement, [since]);
    for (const row of rows) if (!this.#due.has(row.session_id)) this.#note(row.session_id, row.at);
  }

  /** What could not be written stays due: the next tick tries again. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#log.warn({ err: error }, 'activity of sessions could not be written yet');
    }
  }
}
