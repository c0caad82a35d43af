import { type ParticipantId, type Turn, type TurnId, type TurnStatus, wireError } from '@fleetlm/protocol';
import { type Kysely, sql } from 'kysely';
import { monotonicUlid } from '../../lib/monotonic-ulid.ts';
import { fail, ok, type Result } from '../../lib/result.ts';
import type { Database } from '../../storage/schema.ts';
import { turnColumns } from './list-turns.ts';

/** Turns whose messages nobody has answered, and that nobody will call again by itself. */
const unanswered: ReadonlySet<TurnStatus> = new Set(['failed', 'dead', 'stopped']);

const newTurnId = monotonicUlid();

/**
 * Makes a pending turn over the range of one that was not answered, with its hop. That one stays as it is: it is over,
 * so that it cannot change between the two statements.
 */
export async function redeliverTurn(
  db: Kysely<Database>,
  agentId: ParticipantId,
  turnId: TurnId | null,
): Promise<Result<Turn>> {
  const turn = turnId === null ? undefined : await findTurn(db, agentId, turnId);
  if (turn === undefined) return fail(wireError('turn_not_found'));
  if (!unanswered.has(turn.status)) {
    return fail(
      wireError(
        'invalid_request',
        `the turn is ${turn.status}: only failed, dead and stopped ones are redelivered`,
      ),
    );
  }
  if (turn.is_written) {
    return fail(
      wireError('invalid_request', 'the turn is a stream that the agent wrote by itself: it answered nobody'),
    );
  }
  const { session_id, from_seq, to_seq, hop } = turn;
  const made = await db
    .insertInto('agent_turns')
    .values({ id: newTurnId() as TurnId, agent_id: agentId, session_id, from_seq, to_seq, hop })
    .onConflict((conflict) =>
      // A literal: Postgres finds no partial index by a parameter.
      conflict.columns(['session_id', 'agent_id']).where('status', '=', sql.lit('pending')).doNothing(),
    )
    .returning(turnColumns)
    .executeTakeFirst();
  return made ? ok(made) : fail(wireError('turn_pending'));
}

function findTurn(db: Kysely<Database>, agentId: ParticipantId, turnId: TurnId) {
  return db
    .selectFrom('agent_turns')
    .select(['session_id', 'from_seq', 'to_seq', 'hop', 'status', 'is_written'])
    .where('id', '=', turnId)
    .where('agent_id', '=', agentId)
    .executeTakeFirst();
}
