import type { MessageId, ParticipantId, SessionId, StreamId, TurnId, TurnStatus } from '@fleetlm/protocol';
import { sql } from 'kysely';
import { loadSql } from '../../lib/load-sql.ts';
import type { TurnEnd } from '../../observability/labels.ts';
import { integerArray, textArray } from '../../storage/binary-array.ts';
import type { Db } from '../../storage/database.ts';
import type { StreamFacts } from '../../streams/running-stream.ts';
import type { RunningTurn } from './running-turn.ts';

/** What a claim found in some sessions. */
export interface Claims {
  readonly claimed: readonly RunningTurn[];
  /** Pending turns whose time has not come. */
  readonly waiting: readonly {
    readonly id: TurnId;
    readonly sessionId: SessionId;
    readonly dueInMs: number;
  }[];
  /** Running turns that the pending one behind them does not wait for. */
  readonly givingWay: readonly { readonly id: TurnId; readonly sessionId: SessionId }[];
}

export interface ClaimOptions {
  /** Agents that have turns here: how many, and how many more they may have; and any other. */
  readonly slots: {
    readonly ids: readonly ParticipantId[];
    readonly taken: readonly number[];
    readonly free: readonly number[];
  };
  readonly freePerAgent: number;
  /** Turns that run here. */
  readonly runningIds: readonly TurnId[];
  readonly limit: number;
}

/** What became of a turn that somebody else may have ended. */
export interface TurnState {
  readonly status: TurnStatus;
  readonly epoch: number;
  readonly stopRequested: boolean;
}

type FoundRow = ClaimedRow | WaitingRow | GivingWayRow;

interface FoundFacts {
  readonly id: TurnId;
  readonly session_id: SessionId;
}

interface WaitingRow extends FoundFacts {
  readonly found: 'waiting';
  readonly due_in_ms: number;
}

interface GivingWayRow extends FoundFacts {
  readonly found: 'gives_way';
}

interface ClaimedRow extends FoundFacts {
  readonly found: 'claimed';
  readonly agent_id: ParticipantId;
  readonly from_seq: number;
  readonly to_seq: number;
  readonly attempt: number;
  readonly epoch: number;
  readonly hop: number;
  readonly stream_id: StreamId | null;
  readonly message_id: MessageId | null;
  readonly stop_requested: boolean;
  readonly is_written: boolean;
  readonly age_ms: number;
}

/**
 * A turn without a renewal for this long is anybody's: short enough that every stream ends within 12 s of its
 * node's death, long enough for a Postgres that restarts.
 */
export const leaseMs = 10_000;
const claimStatement = statement('claim-turns');
const sweepStatement = statement('sweep-turns');
const renewStatement = statement('renew-leases');
const openStreamStatement = statement('open-stream');
const endStatement = statement('end-turn');
const stopStatement = statement('stop-turn');
const giveWayStatement = statement('give-way');
const openWrittenStatement = statement('open-written-turn');

/**
 * Turns in Postgres, as one node sees them: `owner` is whose leases are ours. Every change names the epoch, so that
 * a node that has lost a turn changes nothing of it any more.
 */
export class TurnStore {
  readonly #db: Db;
  readonly #owner: string;

  constructor(db: Db, owner: string) {
    this.#db = db;
    this.#owner = owner;
  }

  /** Claims what is due in these sessions. */
  async claim(sessionIds: readonly SessionId[], options: ClaimOptions): Promise<Claims> {
    const { slots, freePerAgent, runningIds, limit } = options;
    const rows = await this.#db.query<FoundRow>(claimStatement, [
      textArray(sessionIds),
      this.#owner,
      leaseMs,
      textArray(slots.ids),
      integerArray(slots.free),
      freePerAgent,
      textArray(runningIds),
      limit,
      integerArray(slots.taken),
    ]);
    return toClaims(rows);
  }

  /** Sessions with something to claim, so many of each agent at most. */
  async sweep(runningIds: readonly TurnId[], maxPerAgent: number): Promise<SessionId[]> {
    const values = [maxPerAgent, textArray(runningIds)];
    const rows = await this.#db.query<{ session_id: SessionId }>(sweepStatement, values);
    return rows.map((row) => row.session_id);
  }

  /** Renews the leases of turns, and says of each that is still ours whether it is to stop. */
  async renew(ids: readonly TurnId[]): Promise<Map<TurnId, boolean>> {
    const values = [textArray(ids), this.#owner, leaseMs];
    const rows = await this.#db.query<{ id: TurnId; stop_requested: boolean }>(renewStatement, values);
    return new Map(rows.map((row) => [row.id, row.stop_requested]));
  }

  /** Commits a stream's ids; false when the turn is not ours any more, or is to stop. */
  async openStream(turn: RunningTurn, streamId: StreamId, messageId: MessageId): Promise<boolean> {
    const rows = await this.#db.query(openStreamStatement, [turn.id, turn.epoch, streamId, messageId]);
    return rows.length > 0;
  }

  /** Ends a turn that has no message; false when it is not ours any more, or can end only as stopped. */
  async end(turn: RunningTurn, status: TurnEnd, error: string | null): Promise<boolean> {
    const rows = await this.#db.query(endStatement, [turn.id, turn.epoch, status, error]);
    return rows.length > 0;
  }

  /** Gives a turn back for another attempt; false when it is not ours any more, or is to stop. */
  async retry(turn: RunningTurn, delayMs: number, error: string | null): Promise<boolean> {
    return this.#giveBack(turn, { attempt: turn.attempt, delayMs, error });
  }

  /** Gives a turn back as if it had not been claimed: this node stops. */
  async release(turn: RunningTurn): Promise<boolean> {
    return this.#giveBack(turn, { attempt: turn.attempt - 1, delayMs: 0, error: null });
  }

  /** Lets whoever comes next take over at once what still runs here: this node ends. */
  async expireLeases(): Promise<void> {
    await this.#db.kysely
      .updateTable('agent_turns')
      .set({ lease_until: sql<string>`now()` })
      .where('lease_owner', '=', this.#owner)
      .where('status', '=', 'running')
      .execute();
  }

  async state(id: TurnId): Promise<TurnState | null> {
    const row = await this.#db.kysely
      .selectFrom('agent_turns')
      .select(['status', 'epoch', 'stop_requested_at'])
      .where('id', '=', id)
      .executeTakeFirst();
    if (row === undefined) return null;
    return { status: row.status, epoch: row.epoch, stopRequested: row.stop_requested_at !== null };
  }

  /** The turns of a session that could be stopped; of a stream: the one that has it. */
  async listOpen(sessionId: SessionId, streamId: StreamId | null): Promise<TurnId[]> {
    let query = this.#db.kysely
      .selectFrom('agent_turns')
      .select('id')
      .where('session_id', '=', sessionId)
      .where('status', 'in', ['pending', 'running']);
    if (streamId !== null) query = query.where('stream_id', '=', streamId);
    const rows = await query.execute();
    return rows.map((row) => row.id);
  }

  /** Commits that a turn is to stop; false when it is over. */
  async stop(id: TurnId): Promise<boolean> {
    return (await this.#db.query(stopStatement, [id])).length > 0;
  }

  /** Stops a running turn for the pending one behind it; false when it is ending, or nothing waits. */
  async giveWay(id: TurnId): Promise<boolean> {
    return (await this.#db.query(giveWayStatement, [id])).length > 0;
  }

  /** Opens the turn of a stream that an agent writes; null while another turn of it runs in the session. */
  async openWritten(stream: StreamFacts): Promise<RunningTurn | null> {
    const { turnId: id, agentId, sessionId, streamId, messageId } = stream;
    const values = [sessionId, agentId, this.#owner, leaseMs, id, streamId, messageId];
    const [row] = await this.#db.query<{ from_seq: number; hop: number }>(openWrittenStatement, values);
    if (row === undefined) return null;
    const { from_seq: seq, hop } = row;
    const range = { fromSeq: seq, toSeq: seq };
    const facts = { ...range, attempt: 1, epoch: 1, hop, stopRequested: false, isWritten: true, ageMs: 0 };
    return { id, agentId, sessionId, ...facts, stream: { id: streamId, messageId } };
  }

  async #giveBack(
    turn: RunningTurn,
    { attempt, delayMs, error }: { attempt: number; delayMs: number; error: string | null },
  ): Promise<boolean> {
    const { numUpdatedRows } = await this.#db.kysely
      .updateTable('agent_turns')
      .set({ attempt, error, lease_owner: null, lease_until: null })
      .set({ next_attempt_at: sql<string>`now() + make_interval(secs => ${delayMs / 1_000})` })
      .set({ updated_at: sql<string>`now()` })
      .where('id', '=', turn.id)
      .where('epoch', '=', turn.epoch)
      .where('status', '=', 'running')
      .where('stop_requested_at', 'is', null)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }
}

function statement(name: string) {
  return { name, text: loadSql(new URL(`./sql/${name}.sql`, import.meta.url)) };
}

function toClaims(rows: readonly FoundRow[]): Claims {
  const claimed: RunningTurn[] = [];
  const waiting: Claims['waiting'][number][] = [];
  const givingWay: Claims['givingWay'][number][] = [];
  for (const row of rows) {
    const { id, session_id: sessionId } = row;
    if (row.found === 'claimed') claimed.push(toRunningTurn(row));
    else if (row.found === 'waiting') waiting.push({ id, sessionId, dueInMs: row.due_in_ms });
    else givingWay.push({ id, sessionId });
  }
  return { claimed, waiting, givingWay };
}

function toRunningTurn(row: ClaimedRow): RunningTurn {
  const { stream_id: streamId, message_id: messageId } = row;
  return {
    id: row.id,
    agentId: row.agent_id,
    sessionId: row.session_id,
    fromSeq: row.from_seq,
    toSeq: row.to_seq,
    attempt: row.attempt,
    epoch: row.epoch,
    hop: row.hop,
    stream: streamId === null || messageId === null ? null : { id: streamId, messageId },
    stopRequested: row.stop_requested,
    isWritten: row.is_written,
    ageMs: row.age_ms,
  };
}
