import type { MessageId, SessionId } from '@fleetlm/protocol';
import type { Client, QueryArrayResult, QueryConfig } from 'pg';
import type { Failpoints } from '../../lib/failpoints.ts';
import { loadSql } from '../../lib/load-sql.ts';
import { shardKeyOf } from '../shard-key.ts';
import type { AppendHook } from './append-hook.ts';
import type { IdentifiedDraft } from './draft.ts';

const lockSessionsSql = loadSql(new URL('./sql/lock-sessions.sql', import.meta.url));
const lockFreeSessionsSql = loadSql(new URL('./sql/lock-free-sessions.sql', import.meta.url));
const appendMessagesSql = loadSql(new URL('./sql/append-messages.sql', import.meta.url));

/**
 * The isolation is said, not assumed: under a stricter default the append would not see what its locks waited for.
 * The mark tells the append that it runs in this transaction. The statements are written without waiting for
 * `begin`; if that fails (it can be cancelled, like any other), they run alone, and the append must not store.
 */
const begin = "begin isolation level read committed; set local fleetlm.append = 'begun'";

/** What the append statement says of one draft; `id`, `seq` and `insertedAt` are those of the stored message. */
export interface Verdict {
  readonly outcome:
    | 'stored'
    | 'already_stored'
    | 'duplicate'
    | 'conflict'
    | 'session_not_found'
    | 'not_a_member'
    | 'session_closed';
  readonly id: MessageId;
  readonly seq: number;
  readonly insertedAt: string;
  /** The session's `last_seq` before this batch; set on `duplicate`. */
  readonly lastSeq: number;
}

type VerdictRow = [
  ord: number,
  Verdict['outcome'],
  id: MessageId,
  seq: number,
  insertedAt: string,
  lastSeq: number,
];

export interface AppendOptions {
  readonly hook: AppendHook;
  readonly failpoints: Failpoints;
  /** An earlier attempt may have stored some of the drafts. */
  readonly resubmitted: boolean;
}

/**
 * Appends a batch in one transaction and one round trip: begin, lock, append, commit are written at once. The
 * lock is a statement of its own because the append must see what was committed while it waited; a statement's
 * snapshot is older than its lock waits. Returns the verdicts in the drafts' order; throws what Postgres says
 * when it did not commit. Source of the rules: docs/decisions/0002-append.md.
 */
export async function appendBatch(
  client: Client,
  drafts: readonly IdentifiedDraft[],
  options: AppendOptions,
): Promise<Verdict[]> {
  const transaction = new PipelinedTransaction(client);
  transaction.add({ name: 'lock-sessions', text: lockSessionsSql, values: [sessionsOf(drafts)] });
  return appendUnderLocks(transaction, drafts, options);
}

/** What `appendFreeSessions` appended, and the sessions that it left out. */
export interface PartialAppend<D> {
  readonly appended: readonly D[];
  readonly verdicts: readonly Verdict[];
  readonly busySessions: ReadonlySet<SessionId>;
}

/**
 * As `appendBatch`, but waits for no session's lock: drafts of sessions that somebody else holds are left out.
 * One round trip more, so only for the rare batch that met a lock.
 */
export async function appendFreeSessions<D extends IdentifiedDraft>(
  client: Client,
  drafts: readonly D[],
  options: AppendOptions,
): Promise<PartialAppend<D>> {
  const transaction = new PipelinedTransaction(client);
  const locking = transaction.add<[SessionId]>({
    name: 'lock-free-sessions',
    text: lockFreeSessionsSql,
    values: [drafts.map((draft) => draft.sessionId), drafts.map((draft) => draft.senderId)],
  });
  try {
    const busySessions = new Set((await locking).rows.map(([sessionId]) => sessionId));
    const appended = drafts.filter((draft) => !busySessions.has(draft.sessionId));
    const verdicts = await appendUnderLocks(transaction, appended, options);
    return { appended, verdicts, busySessions };
  } catch (error) {
    transaction.rollback();
    throw error;
  }
}

async function appendUnderLocks(
  transaction: PipelinedTransaction,
  drafts: readonly IdentifiedDraft[],
  { hook, failpoints, resubmitted }: AppendOptions,
): Promise<Verdict[]> {
  transaction.addIfAny(hook.beforeAppend(drafts));
  const append = transaction.add<VerdictRow>({
    name: 'append-messages',
    text: appendMessagesSql,
    values: toColumns(drafts, resubmitted),
  });
  transaction.addIfAny(hook.afterAppend(drafts));
  if (failpoints.isSet('before_commit')) {
    await append;
    await failpoints.reach('before_commit');
  }
  await transaction.commit();
  return toVerdicts((await append).rows, drafts.length);
}

/** A transaction whose statements are written behind each other without waiting for answers. */
class PipelinedTransaction {
  readonly #client: Client;
  readonly #results: Promise<QueryArrayResult>[] = [];

  constructor(client: Client) {
    this.#client = client;
    this.add({ text: begin });
  }

  add<Row extends unknown[] = unknown[]>(query: QueryConfig): Promise<QueryArrayResult<Row>> {
    const result = this.#client.query<Row>({ ...query, rowMode: 'array' });
    // `commit` reports a failure; until then it must not count as unhandled.
    result.catch(() => {});
    this.#results.push(result);
    return result;
  }

  addIfAny(query: QueryConfig | null): void {
    if (query !== null) this.add(query);
  }

  /**
   * Resolves once committed; throws the first error of any statement, in which case nothing is stored. If `begin`
   * itself failed, the others ran without a transaction: what that did is not known.
   */
  async commit(): Promise<void> {
    const commit = this.add({ text: 'commit' });
    await this.#results[0]!.catch((error: unknown) => {
      throw new Error('the transaction did not begin', { cause: error });
    });
    for (const result of this.#results) await result;
    const { command } = await commit;
    if (command !== 'COMMIT') throw new Error(`the transaction ended with ${command} instead of COMMIT`);
  }

  /** Leaves the connection without an open transaction; a connection that is gone has none. */
  rollback(): void {
    this.add({ text: 'rollback' });
  }
}

function sessionsOf(drafts: readonly IdentifiedDraft[]): SessionId[] {
  return [...new Set(drafts.map((draft) => draft.sessionId))];
}

/** The drafts as the parameters of append-messages.sql. */
function toColumns(drafts: readonly IdentifiedDraft[], resubmitted: boolean): unknown[] {
  return [
    drafts.map((draft) => draft.id),
    drafts.map((draft) => draft.sessionId),
    drafts.map((draft) => draft.senderId),
    drafts.map((draft) => draft.kind),
    drafts.map((draft) => draft.contentJson),
    drafts.map((draft) => draft.metadataJson),
    drafts.map((draft) => draft.clientId),
    drafts.map((draft) => shardKeyOf(draft.sessionId)),
    drafts.map((draft) => draft.bypassMembership),
    resubmitted,
  ];
}

function toVerdicts(rows: readonly VerdictRow[], count: number): Verdict[] {
  if (rows.length !== count) throw new Error(`the append judged ${rows.length} of ${count} drafts`);
  const verdicts = new Array<Verdict>(count);
  for (const [ord, outcome, id, seq, insertedAt, lastSeq] of rows) {
    verdicts[ord - 1] = { outcome, id, seq, insertedAt, lastSeq };
  }
  return verdicts;
}
