import type { Member, ParticipantId, SessionId } from '@fleetlm/protocol';
import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import { loadSql } from '../lib/load-sql.ts';
import { textArray } from '../storage/binary-array.ts';
import type { Db } from '../storage/database.ts';
import type { Database } from '../storage/schema.ts';
import { type LockedSession, lockSession } from './sessions.ts';

/** Who in which session. */
export interface MemberKey {
  readonly sessionId: SessionId;
  readonly participantId: ParticipantId;
}

export type MembershipOutcome = 'done' | 'unchanged' | 'not_a_group' | 'too_many';

const formerMembersStatement = {
  name: 'former-members',
  text: loadSql(new URL('./sql/former-members.sql', import.meta.url)),
};

/** Current members, in the order of their joining. */
export async function listMembers(db: Kysely<Database>, sessionId: SessionId): Promise<Member[]> {
  return db
    .selectFrom('session_members')
    .select(['participant_id', 'role', 'wake', 'last_read_seq', 'joined_at'])
    .where('session_id', '=', sessionId)
    .where('left_at', 'is', null)
    .orderBy('joined_at')
    .orderBy('participant_id')
    .execute();
}

/** Those pairs of session and participant, at the same index each, that are no membership now. */
export async function findFormerMembers(
  db: Db,
  sessionIds: readonly SessionId[],
  participantIds: readonly ParticipantId[],
): Promise<MemberKey[]> {
  const rows = await db.query<{ session_id: SessionId; participant_id: ParticipantId }>(
    formerMembersStatement,
    [textArray(sessionIds), textArray(participantIds)],
  );
  return rows.map((row) => ({ sessionId: row.session_id, participantId: row.participant_id }));
}

/**
 * Makes a participant a member of a group, again if it left. It starts with everything read: what was said
 * before is history, not news.
 */
export async function addMember(
  db: Kysely<Database>,
  sessionId: SessionId,
  participantId: ParticipantId,
  { wake, maxMembers }: { wake: Member['wake'] | undefined; maxMembers: number },
): Promise<MembershipOutcome> {
  return db.transaction().execute(async (transaction) => {
    const session = await lockSession(transaction, sessionId);
    if (session.kind !== 'group') return 'not_a_group';
    const members = await listMembers(transaction, sessionId);
    const present = members.find((member) => member.participant_id === participantId);
    if (present && (wake === undefined || wake === present.wake)) return 'unchanged';
    if (!present && members.length >= maxMembers) return 'too_many';
    if (present) await setWake(transaction, sessionId, participantId, wake!);
    else await join(transaction, sessionId, participantId, { session, wake });
    await bumpVersion(transaction, sessionId, present ? {} : { agent_ids: withAgent(participantId) });
    return 'done';
  });
}

/** Ends a participant's membership of a group; its messages stay. */
export async function removeMember(
  db: Kysely<Database>,
  sessionId: SessionId,
  participantId: ParticipantId,
): Promise<MembershipOutcome> {
  return db.transaction().execute(async (transaction) => {
    const session = await lockSession(transaction, sessionId);
    if (session.kind !== 'group') return 'not_a_group';
    const { numUpdatedRows } = await transaction
      .updateTable('session_members')
      .set({ left_at: sql<string>`now()`, listed: false })
      .where('session_id', '=', sessionId)
      .where('participant_id', '=', participantId)
      .where('left_at', 'is', null)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) return 'unchanged';
    await bumpVersion(transaction, sessionId);
    return 'done';
  });
}

async function join(
  transaction: Transaction<Database>,
  sessionId: SessionId,
  participantId: ParticipantId,
  { session, wake }: { session: LockedSession; wake: Member['wake'] | undefined },
): Promise<void> {
  const fields = {
    last_read_seq: session.last_seq,
    last_read_message_id: session.last_message_id,
    last_read_at: session.last_message_at,
    listed: session.status !== 'archived',
    ...(wake !== undefined && { wake }),
  };
  await transaction
    .insertInto('session_members')
    .values({
      session_id: sessionId,
      participant_id: participantId,
      role: 'member',
      ...fields,
    })
    .onConflict((conflict) =>
      conflict.columns(['session_id', 'participant_id']).doUpdateSet((row) => ({
        ...fields,
        own_sent_through_read: row.ref('session_members.own_sent'),
        left_at: null,
        activity_at: sql<string>`now()`,
        joined_at: sql<string>`now()`,
      })),
    )
    .execute();
}

async function setWake(
  transaction: Transaction<Database>,
  sessionId: SessionId,
  participantId: ParticipantId,
  wake: Member['wake'],
): Promise<void> {
  await transaction
    .updateTable('session_members')
    .set({ wake })
    .where('session_id', '=', sessionId)
    .where('participant_id', '=', participantId)
    .execute();
}

/** The session's agents with a new member, if it is an agent and not among them: for appends, which wake them. */
function withAgent(participantId: ParticipantId) {
  return sql<ParticipantId[] | null>`case
    when ${participantId} = any(agent_ids) then agent_ids
    when exists (select from participants where id = ${participantId} and kind = 'agent')
      then array_append(agent_ids, ${participantId})
    else agent_ids
  end`;
}

async function bumpVersion(
  transaction: Transaction<Database>,
  sessionId: SessionId,
  more: { readonly agent_ids?: RawBuilder<ParticipantId[] | null> } = {},
): Promise<void> {
  await transaction
    .updateTable('chat_sessions')
    .set((row) => ({ version: row('version', '+', 1), updated_at: sql<string>`clock_timestamp()`, ...more }))
    .where('id', '=', sessionId)
    .execute();
}
