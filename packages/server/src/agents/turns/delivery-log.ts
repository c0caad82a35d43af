import type { Delivery, ParticipantId } from '@fleetlm/protocol';
import { type Kysely, sql } from 'kysely';
import { monotonicUlid } from '../../lib/monotonic-ulid.ts';
import type { DeliveryStatus } from '../../observability/labels.ts';
import type { Db } from '../../storage/database.ts';
import type { Database } from '../../storage/schema.ts';
import type { TurnFilter } from './list-turns.ts';
import type { RunningTurn } from './running-turn.ts';

/** What became of one call. */
export interface DeliveryFacts {
  readonly status: DeliveryStatus;
  readonly httpStatus: number | null;
  /** Until the endpoint's answer began, or the call failed. */
  readonly latencyMs: number;
  readonly excerpt: string;
  readonly errorReason: string | null;
}

const newId = monotonicUlid();

/** Notes a call for operators. */
export async function logDelivery(db: Db, turn: RunningTurn, delivery: DeliveryFacts): Promise<void> {
  await db.kysely
    .insertInto('agent_delivery_logs')
    .values({
      id: newId(),
      agent_id: turn.agentId,
      turn_id: turn.id,
      session_id: turn.sessionId,
      attempt: turn.attempt,
      status: delivery.status,
      http_status: delivery.httpStatus,
      latency_ms: Math.round(delivery.latencyMs),
      response_excerpt: delivery.excerpt === '' ? null : delivery.excerpt,
      error_reason: delivery.errorReason,
    })
    .execute();
}

/** The attempts to call an agent, newest first. */
export async function listDeliveries(
  db: Kysely<Database>,
  agentId: ParticipantId,
  { before, limit }: Pick<TurnFilter, 'before' | 'limit'>,
): Promise<Delivery[]> {
  let query = db
    .selectFrom('agent_delivery_logs')
    .selectAll()
    .where('agent_id', '=', agentId)
    .orderBy('id', 'desc')
    .limit(limit);
  if (before !== undefined) query = query.where('id', '<', before);
  return query.execute();
}

/** Removes deliveries that are older than that. */
export async function pruneDeliveries(db: Db, days: number): Promise<void> {
  await db.kysely
    .deleteFrom('agent_delivery_logs')
    .where('inserted_at', '<', sql<string>`now() - make_interval(days => ${days})`)
    .execute();
}
