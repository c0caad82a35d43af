import type { MessageId, SessionId } from '@fleetlm/protocol';
import { loadSql } from '../../lib/load-sql.ts';
import { booleanArray, integerArray, smallintArray, textArray } from '../../storage/binary-array.ts';
import { toIsoTime } from '../../storage/connection.ts';
import type { Parameter, Statement, TextRow } from '../../storage/transaction.ts';
import { shardKeyOf } from '../shard-key.ts';
import type { IdentifiedDraft, TurnReply } from './draft.ts';

/**
 * What a stored message set off: agents' turns, made or extended, or none because agents have answered each other too
 * often (`hop_limit`). Null: it woke nobody.
 */
export type Woke = 'turn' | 'hop_limit' | null;

/** What the append says of one draft; `id`, `seq` and `insertedAt` are those of the stored message. */
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

export interface JudgingOptions {
  readonly hopLimit: number;
  /** An earlier attempt may have stored some of the drafts. */
  readonly resubmitted: boolean;
  /**
   * Whether a session has agents, as far as is known. A draft of one that does and was taken for one without is left
   * alone: its verdict is null, as those of all drafts of its session are.
   */
  hasAgents(sessionId: SessionId): boolean;
}

const appendSql = readSql('append-messages');

/** The statements of an append, by the names under which they are prepared. */
export const appendStatements: Readonly<Record<string, string>> = {
  'lock-sessions': readSql('lock-sessions'),
  'lock-free-sessions': readSql('lock-free-sessions'),
  'lock-turns': readSql('lock-turns'),
  'append-messages': appendSql.replaceAll(/\/\* agents \*\/.*?\/\* end \*\//gs, ''),
  'append-waking-agents': appendSql.replaceAll(/\/\* (?:agents|end) \*\//g, ''),
  'end-turns': readSql('end-turns'),
};

/**
 * The statements of one batch behind its sessions' locks. Drafts of sessions with agents have a statement of their own,
 * so that the others do not pay for it; those of one session share one, so that their order is the log's.
 */
export class BatchStatements {
  readonly all: readonly Statement[];
  readonly #appends: readonly PartialStatement[];
  readonly #count: number;

  constructor(drafts: readonly IdentifiedDraft[], options: JudgingOptions) {
    this.#count = drafts.length;
    this.#appends = toAppends(drafts, options);
    this.all = withTurns(
      this.#appends.map(({ statement }) => statement),
      drafts,
    );
  }

  /** The verdicts in the drafts' order, from the rows of each statement. */
  read(results: readonly TextRow[][]): (Verdict | null)[] {
    const verdicts = new Array<Verdict | null>(this.#count);
    for (const { statement, positions } of this.#appends) {
      readVerdicts(results[this.all.indexOf(statement)]!, positions, verdicts);
    }
    return verdicts;
  }
}

function readSql(name: string): string {
  return loadSql(new URL(`./sql/${name}.sql`, import.meta.url));
}

/** A statement that appends some of the drafts: those at these positions in the batch. */
interface PartialStatement {
  readonly statement: Statement;
  readonly positions: readonly number[];
}

/** In place of the hop limit, $11: the sessions are taken to have no agents. */
const withoutAgents: Parameter = null;

function toAppends(drafts: readonly IdentifiedDraft[], options: JudgingOptions): PartialStatement[] {
  const [without, withAgents] = partPositions(drafts, options);
  const appends: PartialStatement[] = [];
  if (without.length > 0) {
    const values = [...toColumns(pick(drafts, without), options), withoutAgents];
    appends.push({ statement: { name: 'append-messages', values }, positions: without });
  }
  if (withAgents.length > 0) {
    const picked = pick(drafts, withAgents);
    const values = [...toColumns(picked, options), String(options.hopLimit), ...turnColumns(picked)];
    appends.push({ statement: { name: 'append-waking-agents', values }, positions: withAgents });
  }
  return appends;
}

/** Where the drafts of sessions without agents stand, and those of the others: whoever answers a turn is an agent. */
function partPositions(drafts: readonly IdentifiedDraft[], options: JudgingOptions): [number[], number[]] {
  const answered = sessionsOfReplies(drafts);
  const without: number[] = [];
  const withAgents: number[] = [];
  for (const [position, { sessionId }] of drafts.entries()) {
    const hasAgents = answered?.has(sessionId) || options.hasAgents(sessionId);
    (hasAgents ? withAgents : without).push(position);
  }
  return [without, withAgents];
}

function pick(drafts: readonly IdentifiedDraft[], positions: readonly number[]): readonly IdentifiedDraft[] {
  return positions.length === drafts.length ? drafts : positions.map((position) => drafts[position]!);
}

/** Sessions in which drafts answer turns; null: there are none, as a rule. */
function sessionsOfReplies(drafts: readonly IdentifiedDraft[]): ReadonlySet<SessionId> | null {
  if (!drafts.some(isReply)) return null;
  return new Set(drafts.filter(isReply).map(({ sessionId }) => sessionId));
}

/** A draft that answers a turn. */
type Reply = IdentifiedDraft & { readonly turn: TurnReply };

function isReply(draft: IdentifiedDraft): draft is Reply {
  return draft.turn !== null;
}

/** The appends, between what locks and what ends the turns that their drafts answer. */
function withTurns(appends: readonly Statement[], drafts: readonly IdentifiedDraft[]): readonly Statement[] {
  const replies = drafts.filter(isReply);
  if (replies.length === 0) return appends;
  const lock = { name: 'lock-turns', values: [textArray(replies.map(({ turn }) => turn.turnId))] };
  const ending = replies.filter(({ turn }) => turn.endsAs !== null);
  return ending.length === 0 ? [lock, ...appends] : [lock, ...appends, endStatement(ending)];
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

/** The drafts as the first parameters of append-messages.sql. */
function toColumns(drafts: readonly IdentifiedDraft[], { resubmitted }: JudgingOptions): Parameter[] {
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
  ];
}

/** Most batches answer no turn: nulls for the whole columns cost nothing. */
const noTurnColumns: readonly Parameter[] = [null, null, null];

function turnColumns(drafts: readonly IdentifiedDraft[]): readonly Parameter[] {
  if (!drafts.some(isReply)) return noTurnColumns;
  return [
    textArray(drafts.map(({ turn }) => turn?.turnId ?? null)),
    integerArray(drafts.map(({ turn }) => turn?.epoch ?? 0)),
    textArray(drafts.map(({ turn }) => turn?.endsAs ?? null)),
  ];
}

/** Rows of append-messages.sql: ord, outcome, id, seq, inserted_at, last_seq, and woke where agents may be. */
function readVerdicts(
  rows: readonly TextRow[],
  positions: readonly number[],
  verdicts: (Verdict | null)[],
): void {
  if (rows.length !== positions.length)
    throw new Error(`the append judged ${rows.length} of ${positions.length} drafts`);
  // Most messages of a batch have the same time; a refused one has none.
  let lastTime: string | null = null;
  let insertedAt = '';
  for (const row of rows) {
    const time = row[4] ?? null;
    if (time !== lastTime) {
      lastTime = time;
      insertedAt = time === null ? '' : toIsoTime(time);
    }
    verdicts[positions[Number(row[0]) - 1]!] = row[1] === 'has_agents' ? null : toVerdict(row, insertedAt);
  }
}

function toVerdict(row: TextRow, insertedAt: string): Verdict {
  return {
    outcome: row[1] as Verdict['outcome'],
    id: row[2] as MessageId,
    seq: Number(row[3]),
    insertedAt,
    lastSeq: Number(row[5]),
    woke: (row[6] ?? null) as Woke,
  };
}
