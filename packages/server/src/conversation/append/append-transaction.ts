import type { MessageId, SessionId } from '@fleetlm/protocol';
import type { Client } from 'pg';
import type { Failpoints } from '../../lib/failpoints.ts';
import { loadSql } from '../../lib/load-sql.ts';
import { booleanArray, integerArray, smallintArray, textArray } from '../../storage/binary-array.ts';
import { toIsoTime } from '../../storage/connection.ts';
import { type Parameter, runTransaction, type Statement, type TextRow } from '../../storage/transaction.ts';
import { shardKeyOf } from '../shard-key.ts';
import type { IdentifiedDraft, TurnReply } from './draft.ts';

/** The statements of an append, by the names under which `prepareAppend` prepares them. */
const statementNames = [
  'lock-sessions',
  'lock-free-sessions',
  'lock-turns',
  'append-messages',
  'end-turns',
] as const;

const prepareSql = statementNames
  .map((name) => `prepare "${name}" as ${loadSql(new URL(`./sql/${name}.sql`, import.meta.url))}`)
  .join(';\n');

/**
 * What a stored message set off: agents' turns, made or extended, or none because agents have answered each other too
 * often (`hop_limit`). Null: it woke nobody.
 */
export type Woke = 'turn' | 'hop_limit' | null;

/** What the append statement says of one draft; `id`, `seq` and `insertedAt` are those of the stored message. */
export interface Verdict {
  readonly outcome:
    | 'stored'
    | 'already_stored'
    | 'duplicate'
    | 'conflict'
    | 'session_not_found'
    | 'not_a_member'
    | 'session_closed'
    | 'turn_ended';
  readonly id: MessageId;
  readonly seq: number;
  readonly insertedAt: string;
  /** The session's `last_seq` before this batch; set on `duplicate`. */
  readonly lastSeq: number;
  readonly woke: Woke;
}

export interface AppendOptions {
  readonly hopLimit: number;
  readonly failpoints: Failpoints;
  /** An earlier attempt may have stored some of the drafts. */
  readonly resubmitted: boolean;
}

/** Makes a new connection ready for appends. */
export async function prepareAppend(client: Client): Promise<void> {
  await client.query(prepareSql);
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
): Promise<Verdict[]> {
  const lock: Statement = { name: 'lock-sessions', values: [textArray(sessionsOf(drafts))] };
  const append = appendStatement(drafts, options);
  const statements = [lock, ...withTurns(append, drafts)];
  const results = await runTransaction(client, statements, holdBeforeCommit(options.failpoints));
  return toVerdicts(results[statements.indexOf(append)]!, drafts.length);
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
  const lock: Statement = {
    name: 'lock-free-sessions',
    values: [
      textArray(drafts.map((draft) => draft.sessionId)),
      textArray(drafts.map((draft) => draft.senderId)),
    ],
  };
  let busySessions: ReadonlySet<SessionId> = new Set();
  let appended: readonly D[] = [];
  let position = 0;
  const results = await runTransaction(client, [lock], async ([busy = []]) => {
    await holdBeforeCommit(options.failpoints)?.();
    busySessions = new Set(busy.map(([sessionId]) => sessionId as SessionId));
    appended = drafts.filter((draft) => !busySessions.has(draft.sessionId));
    const append = appendStatement(appended, options);
    const statements = withTurns(append, appended);
    position = 1 + statements.indexOf(append);
    return statements;
  });
  return { appended, verdicts: toVerdicts(results[position]!, appended.length), busySessions };
}

/** Holds the transaction open for a test: the append has run, or on the detour the locks are taken. Null as a rule. */
function holdBeforeCommit(failpoints: Failpoints): (() => Promise<Statement[]>) | null {
  if (!failpoints.isSet('before_commit')) return null;
  return async () => {
    await failpoints.reach('before_commit');
    return [];
  };
}

function appendStatement(drafts: readonly IdentifiedDraft[], options: AppendOptions): Statement {
  return { name: 'append-messages', values: toColumns(drafts, options) };
}

/** A draft that answers a turn. */
type Reply = IdentifiedDraft & { readonly turn: TurnReply };

/** The append, between what locks and what ends the turns that its drafts answer. */
function withTurns(append: Statement, drafts: readonly IdentifiedDraft[]): Statement[] {
  const replies = drafts.filter(isReply);
  if (replies.length === 0) return [append];
  const lock = { name: 'lock-turns', values: [textArray(replies.map(({ turn }) => turn.turnId))] };
  const ending = replies.filter(({ turn }) => turn.endsAs !== null);
  return ending.length === 0 ? [lock, append] : [lock, append, endStatement(ending)];
}

function isReply(draft: IdentifiedDraft): draft is Reply {
  return draft.turn !== null;
}

function endStatement(replies: readonly Reply[]): Statement {
  const values = [
    textArray(replies.map((reply) => reply.id)),
    textArray(replies.map((reply) => reply.sessionId)),
    textArray(replies.map((reply) => reply.senderId)),
    textArray(replies.map((reply) => reply.clientId)),
    textArray(replies.map((reply) => reply.turn.turnId)),
    integerArray(replies.map((reply) => reply.turn.epoch)),
    textArray(replies.map((reply) => reply.turn.endsAs)),
    textArray(replies.map((reply) => reply.turn.error)),
  ];
  return { name: 'end-turns', values };
}

function sessionsOf(drafts: readonly IdentifiedDraft[]): SessionId[] {
  return [...new Set(drafts.map((draft) => draft.sessionId))];
}

/** The drafts as the parameters of append-messages.sql. */
function toColumns(
  drafts: readonly IdentifiedDraft[],
  { resubmitted, hopLimit }: AppendOptions,
): Parameter[] {
  return [
    textArray(drafts.map((draft) => draft.id)),
    textArray(drafts.map((draft) => draft.sessionId)),
    textArray(drafts.map((draft) => draft.senderId)),
    textArray(drafts.map((draft) => draft.kind)),
    textArray(drafts.map((draft) => draft.contentJson)),
    textArray(drafts.map((draft) => draft.metadataJson)),
    textArray(drafts.map((draft) => draft.clientId)),
    smallintArray(drafts.map((draft) => shardKeyOf(draft.sessionId))),
    booleanArray(drafts.map((draft) => draft.bypassMembership)),
    resubmitted ? 't' : 'f',
    ...(drafts.some(isReply) ? turnColumns(drafts) : noTurnColumns),
    String(hopLimit),
  ];
}

/** Most batches answer no turn: nulls for the whole columns cost nothing. */
const noTurnColumns: readonly Parameter[] = [null, null, null];

function turnColumns(drafts: readonly IdentifiedDraft[]): Parameter[] {
  return [
    textArray(drafts.map(({ turn }) => turn?.turnId ?? null)),
    integerArray(drafts.map(({ turn }) => turn?.epoch ?? 0)),
    textArray(drafts.map(({ turn }) => turn?.endsAs ?? null)),
  ];
}

/** Rows of append-messages.sql: ord, outcome, id, seq, inserted_at, last_seq, woke. */
function toVerdicts(rows: readonly TextRow[], count: number): Verdict[] {
  if (rows.length !== count) throw new Error(`the append judged ${rows.length} of ${count} drafts`);
  const verdicts = new Array<Verdict>(count);
  // Most messages of a batch have the same time; a refused one has none.
  let lastTime: string | null = null;
  let insertedAt = '';
  for (const row of rows) {
    const time = row[4] ?? null;
    if (time !== lastTime) {
      lastTime = time;
      insertedAt = time === null ? '' : toIsoTime(time);
    }
    verdicts[Number(row[0]) - 1] = {
      outcome: row[1] as Verdict['outcome'],
      id: row[2] as MessageId,
      seq: Number(row[3]),
      insertedAt,
      lastSeq: Number(row[5]),
      woke: row[6] as Woke,
    };
  }
  return verdicts;
}
