import type { ParticipantId, Turn, TurnId, TurnStatus } from '@fleetlm/protocol';
import { type Kysely, sql } from 'kysely';
import type { Database } from '../../storage/schema.ts';

export interface TurnFilter {
  readonly status?: TurnStatus | undefined;
  /** Turns older than this one. */
  readonly before?: string | undefined;
  readonly limit: number;
}

/** What of a turn is shown: who runs it just now is nobody's business outside. */
export const turnColumns = [
  'id',
  'agent_id',
  'session_id',
  'from_seq',
  'to_seq',
  'status',
  'attempt',
  'hop',
  'next_attempt_at',
  'stop_requested_at',
  'stream_id',
  'message_id',
  'reply_seq',
  'error',
  'inserted_at',
  'updated_at',
] as const;

/** An agent's turns, newest first. */
export async function listTurns(
  db: Kysely<Database>,
  agentId: ParticipantId,
  filter: TurnFilter,
): Promise<Turn[]> {
  return await selectTurns(db, agentId, filter).execute();
}

export function selectTurns(
  db: Kysely<Database>,
  agentId: ParticipantId,
  { status, before, limit }: TurnFilter,
) {
  let query = db
    .selectFrom('agent_turns')
    .select(turnColumns)
    .where('agent_id', '=', agentId)
    .orderBy('id', 'desc')
    .limit(limit);
  // A literal: by a parameter Postgres finds no partial index.
  if (status !== undefined) query = query.where('status', '=', sql.lit(status));
  return before === undefined ? query : query.where('id', '<', before as TurnId);
}
