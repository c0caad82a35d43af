import type { SessionId } from '@fleetlm/protocol';
import type { Client } from 'pg';
import type { Failpoints } from '../../lib/failpoints.ts';
import { textArray } from '../../storage/binary-array.ts';
import { runTransaction, type Statement } from '../../storage/transaction.ts';
import { appendStatements, BatchStatements, type JudgingOptions, type Verdict } from './append-statements.ts';
import type { IdentifiedDraft } from './draft.ts';

export interface AppendOptions extends JudgingOptions {
  readonly failpoints: Failpoints;
}

/** Makes a new connection ready for appends. */
export async function prepareAppend(client: Client): Promise<void> {
  // Each by itself: of several in one query each has the text of all, which costs as `loadSql` says.
  for (const [name, sql] of Object.entries(appendStatements))
    await client.query(`prepare "${name}" as ${sql}`);
}

/**
 * Appends a batch in one transaction and one round trip: lock, append, commit are written at once. The lock is a
 * statement of its own because the append must see what was committed while it waited; a statement's snapshot is
 * older than its lock waits. Returns the verdicts in the drafts' order; throws what Postgres says when it did not
 * commit. Source of the rules: docs/decisions/0002-append.md.
 */
export async function appendBatch(
  client: Client,
  drafts: readonly IdentifiedDraft[],
  options: AppendOptions,
): Promise<(Verdict | null)[]> {
  const lock: Statement = { name: 'lock-sessions', values: [textArray(sessionsOf(drafts))] };
  const batch = new BatchStatements(drafts, options);
  const hold = holdBeforeCommit(options.failpoints);
  const [, ...results] = await runTransaction(client, [lock, ...batch.all], hold);
  return batch.read(results);
}

/** What `appendFreeSessions` appended, and the sessions that it left out. */
export interface PartialAppend<D> {
  readonly appended: readonly D[];
  readonly verdicts: readonly (Verdict | null)[];
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
  const lock: Statement = {
    name: 'lock-free-sessions',
    values: [
      textArray(drafts.map((draft) => draft.sessionId)),
      textArray(drafts.map((draft) => draft.senderId)),
    ],
  };
  let busySessions: ReadonlySet<SessionId> = new Set();
  let appended: readonly D[] = [];
  let batch = new BatchStatements(appended, options);
  const [, ...results] = await runTransaction(client, [lock], async ([busy = []]) => {
    await holdBeforeCommit(options.failpoints)?.();
    busySessions = new Set(busy.map(([sessionId]) => sessionId as SessionId));
    appended = drafts.filter((draft) => !busySessions.has(draft.sessionId));
    batch = new BatchStatements(appended, options);
    return batch.all;
  });
  return { appended, verdicts: batch.read(results), busySessions };
}

/** Holds the transaction open for a test: the append has run, or on the detour the locks are taken. Null as a rule. */
function holdBeforeCommit(failpoints: Failpoints): (() => Promise<Statement[]>) | null {
  if (!failpoints.isSet('before_commit')) return null;
  return async () => {
    await failpoints.reach('before_commit');
    return [];
  };
}

function sessionsOf(drafts: readonly IdentifiedDraft[]): SessionId[] {
  return [...new Set(drafts.map((draft) => draft.sessionId))];
}
