import type {
  JsonObject,
  Participant,
  ParticipantId,
  Session,
  SessionId,
  SessionKind,
  SessionStatus,
} from '@fleetlm/protocol';
import { type Kysely, sql, type Transaction } from 'kysely';
import { loadSql } from '../lib/load-sql.ts';
import { monotonicUlid } from '../lib/monotonic-ulid.ts';
import { textArray } from '../storage/binary-array.ts';
import type { Db } from '../storage/database.ts';
import type { Database } from '../storage/schema.ts';

/** A session as somebody sees it. */
export interface SessionView {
  readonly session: Session;
  readonly viewerIsMember: boolean;
}

export interface NewSession {
  readonly kind: SessionKind;
  readonly initiatorId: ParticipantId;
  /** Null for a group. */
  readonly peerId: ParticipantId | null;
  readonly agentId: ParticipantId | null;
  /** Members beside initiator and peer. */
  readonly memberIds: readonly ParticipantId[];
  readonly metadata: JsonObject;
}

/** What whoever holds a session's lock needs of it. */
export type LockedSession = Pick<
  Session,
  'version' | 'status' | 'kind' | 'last_seq' | 'last_message_id' | 'last_message_at'
>;

export interface SessionFilter {
  /** Sessions of this member; all when not given. */
  readonly participantId?: ParticipantId | undefined;
  readonly kind?: SessionKind | undefined;
  /** Open and closed ones when not given. */
  readonly status?: SessionStatus | undefined;
  /** Sessions older than this one. */
  readonly before?: string | undefined;
  readonly limit: number;
}

export interface SessionChange {
  readonly status?: SessionStatus | undefined;
  readonly metadata?: JsonObject | undefined;
}

const readSessionStatement = {
  name: 'read-session',
  text: loadSql(new URL('./sql/read-session.sql', import.meta.url)),
};
const newSessionId = monotonicUlid();

/** A session, and whether `viewer` is a member of it now. Null: there is none. */
export async function readSession(
  db: Db,
  id: SessionId,
  viewer: ParticipantId | null,
): Promise<SessionView | null> {
  type Row = Session & { metadata: string; viewer_is_member: boolean };
  const [row] = await db.query<Row>(readSessionStatement, [id, viewer]);
  if (!row) return null;
  const { viewer_is_member: viewerIsMember, metadata, ...session } = row;
  return { session: { ...session, metadata: JSON.parse(metadata) }, viewerIsMember };
}

/** Which kind of direct session two participants have, and who is its agent: the peer, when both are agents. */
export function directKind(
  initiator: Participant,
  peer: Participant,
): { kind: 'human_dm' | 'agent_dm'; agentId: ParticipantId | null } {
  const agent = [peer, initiator].find((participant) => participant.kind === 'agent');
  return agent ? { kind: 'agent_dm', agentId: agent.id } : { kind: 'human_dm', agentId: null };
}

/** Stores a session and its members, who have read everything there is: nothing. */
export async function createSession(db: Kysely<Database>, session: NewSession): Promise<SessionId> {
  const id = newSessionId() as SessionId;
  await db.transaction().execute(async (transaction) => {
    await transaction
      .insertInto('chat_sessions')
      .values({
        id,
        kind: session.kind,
        initiator_id: session.initiatorId,
        peer_id: session.peerId,
        agent_id: session.agentId,
        metadata: JSON.stringify(session.metadata),
        agent_ids: agentsAmong(membersOf(session)),
      })
      .execute();
    await transaction
      .insertInto('session_members')
      .values([
        { session_id: id, participant_id: session.initiatorId, role: 'initiator' },
        ...(session.peerId === null
          ? []
          : [{ session_id: id, participant_id: session.peerId, role: 'peer' as const }]),
        ...session.memberIds.map((memberId) => ({
          session_id: id,
          participant_id: memberId,
          role: 'member' as const,
        })),
      ])
      .execute();
  });
  return id;
}

/** Sessions, newest first. */
export async function listSessions(db: Kysely<Database>, filter: SessionFilter): Promise<Session[]> {
  let query = selectSessions(db).orderBy('s.id', 'desc').limit(filter.limit);
  if (filter.participantId !== undefined) {
    const { participantId } = filter;
    query = query.where('s.id', 'in', (of) =>
      of
        .selectFrom('session_members')
        .select('session_id')
        .where('participant_id', '=', participantId)
        .where('left_at', 'is', null),
    );
  }
  if (filter.kind !== undefined) query = query.where('s.kind', '=', filter.kind);
  if (filter.status !== undefined) query = query.where('s.status', '=', filter.status);
  else query = query.where('s.status', '!=', 'archived');
  if (filter.before !== undefined) query = query.where('s.id', '<', filter.before as SessionId);
  return query.execute();
}

/**
 * Changes status and metadata under the session's lock; members of an archived session lose it from their
 * inboxes. No version is spent when there is nothing to be done.
 */
export async function changeSession(
  db: Kysely<Database>,
  id: SessionId,
  change: SessionChange,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    const before = await lockSession(transaction, id);
    const metadata = change.metadata === undefined ? undefined : JSON.stringify(change.metadata);
    const isStatusNew = change.status !== undefined && change.status !== before.status;
    if (!isStatusNew && metadata === undefined) return;
    await transaction
      .updateTable('chat_sessions')
      .set({ ...(isStatusNew && { status: change.status }), ...(metadata !== undefined && { metadata }) })
      .set({ version: before.version + 1, updated_at: sql<string>`clock_timestamp()` })
      .where('id', '=', id)
      .execute();
    if (isStatusNew) await listInInboxes(transaction, id, change.status !== 'archived');
  });
}

/** The lock that appends, membership and status changes take before anything else of a session. */
export async function lockSession(transaction: Transaction<Database>, id: SessionId): Promise<LockedSession> {
  return transaction
    .selectFrom('chat_sessions')
    .select(['version', 'status', 'kind', 'last_seq', 'last_message_id', 'last_message_at'])
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirstOrThrow();
}

function membersOf({ initiatorId, peerId, memberIds }: NewSession): ParticipantId[] {
  return [initiatorId, ...(peerId === null ? [] : [peerId]), ...memberIds];
}

/** Those that are agents; null: none. */
function agentsAmong(ids: readonly ParticipantId[]) {
  return sql<ParticipantId[] | null>`(
    select array_agg(id order by id) from participants where id = any(${textArray(ids)}::text[]) and kind = 'agent'
  )`;
}

async function listInInboxes(
  transaction: Transaction<Database>,
  id: SessionId,
  listed: boolean,
): Promise<void> {
  await transaction
    .updateTable('session_members')
    .set({ listed })
    .where('session_id', '=', id)
    .where('left_at', 'is', null)
    .execute();
}

function selectSessions(db: Kysely<Database>) {
  return db
    .selectFrom('chat_sessions as s')
    .leftJoin('session_members as initiator', (join) =>
      join
        .onRef('initiator.session_id', '=', 's.id')
        .onRef('initiator.participant_id', '=', 's.initiator_id'),
    )
    .leftJoin('session_members as peer', (join) =>
      join.onRef('peer.session_id', '=', 's.id').onRef('peer.participant_id', '=', 's.peer_id'),
    )
    .select([
      's.id',
      's.kind',
      's.status',
      's.initiator_id',
      's.peer_id',
      's.agent_id',
      's.metadata',
      's.version',
      's.last_seq',
      's.last_message_id',
      's.last_message_at',
      's.inserted_at',
      's.updated_at',
      'initiator.last_read_message_id as initiator_last_read_id',
      'initiator.last_read_at as initiator_last_read_at',
      'peer.last_read_message_id as peer_last_read_id',
      'peer.last_read_at as peer_last_read_at',
    ]);
}
