import {
  type MessageId,
  type ParticipantId,
  parseParticipantId,
  type SessionId,
  type TurnId,
  type TurnStatus,
} from '@fleetlm/protocol';
import { waitUntil } from '@fleetlm/testkit';
import { sql } from 'kysely';
import type { Draft, TurnReply } from '../../../src/conversation/append/draft.ts';
import { upsertParticipant } from '../../../src/conversation/participants.ts';
import { createSession } from '../../../src/conversation/sessions.ts';
import { monotonicUlid } from '../../../src/lib/monotonic-ulid.ts';
import type { Db } from '../../../src/storage/database.ts';
import { alice, bob, draft, type Fixture } from '../fixtures.ts';

export const bot = parseParticipantId('agent:bot')!;
export const helper = parseParticipantId('agent:helper')!;
export const server = parseParticipantId('system:fleetlm')!;

const newId = monotonicUlid();

export interface TurnRow {
  readonly id: TurnId;
  readonly agent_id: ParticipantId;
  readonly from_seq: number;
  readonly to_seq: number;
  readonly status: string;
  readonly hop: number;
}

export async function addAgents(db: Db, ...ids: readonly ParticipantId[]): Promise<void> {
  for (const id of ids) await upsertParticipant(db.kysely, id, {});
}

export async function addEndpoint(db: Db, agentId: ParticipantId, debounceMs = 0): Promise<void> {
  await db.kysely
    .insertInto('agent_endpoints')
    .values({
      agent_id: agentId,
      origin_url: 'http://127.0.0.1:1',
      auth_value: null,
      timeout_ms: 1_000,
      idle_timeout_ms: 1_000,
      max_duration_ms: 1_000,
      max_attempts: 1,
      backoff_ms: [],
      history_mode: 'tail',
      history_limit: 20,
      debounce_ms: debounceMs,
      signing_secret: 'whsec_test',
      previous_secret: null,
    })
    .execute();
}

/** A direct session of alice and an agent. */
export function directSession(db: Db, agentId: ParticipantId = bot): Promise<SessionId> {
  return createSession(db.kysely, {
    kind: 'agent_dm',
    initiatorId: alice,
    peerId: agentId,
    agentId,
    memberIds: [],
    metadata: {},
  });
}

/** A group of alice, bob and agents, which wake as `wake` says. */
export async function agentGroup(
  { db, session }: Fixture,
  wake: 'always' | 'mention' | 'never',
  ...agentIds: readonly ParticipantId[]
): Promise<SessionId> {
  const id = await session([alice, bob, ...agentIds]);
  await db.kysely
    .updateTable('session_members')
    .set({ wake })
    .where('session_id', '=', id)
    .where('participant_id', 'in', agentIds)
    .execute();
  return id;
}

/** The turns of a session, oldest range first. */
export function turnsOf(db: Db, sessionId: SessionId): Promise<TurnRow[]> {
  return db.kysely
    .selectFrom('agent_turns')
    .select(['id', 'agent_id', 'from_seq', 'to_seq', 'status', 'hop'])
    .where('session_id', '=', sessionId)
    .orderBy('agent_id')
    .orderBy('from_seq')
    .execute();
}

/** Makes a turn that runs in epoch 1 on some node, or is in another state; each is newer than the one before. */
export async function addTurn(
  db: Db,
  sessionId: SessionId,
  {
    status = 'running',
    hop = 1,
    agentId = bot,
  }: { status?: TurnStatus; hop?: number; agentId?: ParticipantId } = {},
): Promise<TurnId> {
  const id = newId() as TurnId;
  const lease = { lease_owner: 'node', lease_until: '2100-01-01T00:00:00Z' };
  const fields = { from_seq: 1, to_seq: 1, status, hop, epoch: 1, ...lease };
  const links = { stream_id: null, message_id: null, reply_seq: null, error: null };
  await db.kysely
    .insertInto('agent_turns')
    .values({ id, agent_id: agentId, session_id: sessionId, ...fields, ...links })
    .execute();
  return id;
}

/** Claims the pending turn of an agent as the dispatcher does: one statement on one row. */
export async function claim(db: Db, sessionId: SessionId, agentId: ParticipantId): Promise<TurnId | null> {
  const claimed = await db.kysely
    .updateTable('agent_turns')
    .set((row) => ({ status: 'running', epoch: row('epoch', '+', 1), lease_owner: 'node' }))
    .where('session_id', '=', sessionId)
    .where('agent_id', '=', agentId)
    .where('status', '=', 'pending')
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('agent_turns as running')
            .select('running.id')
            .whereRef('running.session_id', '=', 'agent_turns.session_id')
            .whereRef('running.agent_id', '=', 'agent_turns.agent_id')
            .where('running.status', '=', 'running'),
        ),
      ),
    )
    .returning('id')
    .executeTakeFirst();
  return claimed?.id ?? null;
}

/** A draft of an agent's that answers a turn. */
export function reply(
  sessionId: SessionId,
  turn: Partial<TurnReply> & { readonly turnId: TurnId },
  more: Partial<Draft> & { readonly id?: MessageId } = {},
): Draft {
  return draft(sessionId, 'an answer', {
    senderId: bot,
    kind: 'assistant',
    clientId: `turn:${turn.turnId}:0`,
    turn: { epoch: 1, endsAs: 'completed', error: null, ...turn },
    ...more,
  });
}

/** Until so many appends wait for a lock that somebody holds. */
export async function untilAppendsWait({ db }: Fixture, count: number): Promise<void> {
  await waitUntil(async () => {
    const { rows } = await sql`
      select from pg_stat_activity
      where application_name = 'fleetlm-append' and datname = current_database() and wait_event_type = 'Lock'
    `.execute(db.kysely);
    return rows.length === count;
  });
}
