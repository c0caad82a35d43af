import type { JsonObject, Participant, ParticipantId, ParticipantKind } from '@fleetlm/protocol';
import { type Kysely, sql } from 'kysely';
import { loadSql } from '../lib/load-sql.ts';
import { textArray } from '../storage/binary-array.ts';
import type { Db } from '../storage/database.ts';
import type { Database } from '../storage/schema.ts';

/** Fields of an upsert; one that is not given keeps its value, or gets its default. */
export interface ParticipantChange {
  readonly kind?: ParticipantKind | undefined;
  readonly display_name?: string | null | undefined;
  readonly status?: Participant['status'] | undefined;
  readonly metadata?: JsonObject | undefined;
}

export interface ParticipantFilter {
  readonly kind?: ParticipantKind | undefined;
  readonly status?: Participant['status'] | undefined;
  /** No other than this one. */
  readonly only?: ParticipantId | undefined;
  /** Participants after this id. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** What every call needs to know of a participant. */
export type Identity = Pick<Participant, 'kind' | 'status'>;

const identityStatement = {
  name: 'identity',
  text: loadSql(new URL('./sql/identity.sql', import.meta.url)),
};
const disabledStatement = {
  name: 'disabled-participants',
  text: loadSql(new URL('./sql/disabled-participants.sql', import.meta.url)),
};

/** Makes a participant, or changes the given fields of the one that is there. */
export async function upsertParticipant(
  db: Kysely<Database>,
  id: ParticipantId,
  change: ParticipantChange,
): Promise<Participant> {
  const metadata = change.metadata === undefined ? undefined : JSON.stringify(change.metadata);
  const given = Object.entries({ ...change, metadata }).filter(([, value]) => value !== undefined);
  return db
    .insertInto('participants')
    .values({ id, kind: inferKind(id), ...Object.fromEntries(given) })
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet({ ...Object.fromEntries(given), updated_at: sql<string>`now()` }),
    )
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function findParticipant(
  db: Kysely<Database>,
  id: ParticipantId,
): Promise<Participant | undefined> {
  return db.selectFrom('participants').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Those of `ids` that exist. */
export async function findParticipants(
  db: Kysely<Database>,
  ids: readonly ParticipantId[],
): Promise<Participant[]> {
  return db.selectFrom('participants').selectAll().where('id', 'in', ids).execute();
}

/** What every call asks of a participant; null when there is none. */
export async function findIdentity(db: Db, id: ParticipantId): Promise<Identity | null> {
  const [row] = await db.query<Identity>(identityStatement, [id]);
  return row ?? null;
}

/** Those of `ids` that are disabled. One array parameter: a list of values would be bounded at 65,535. */
export async function findDisabled(db: Db, ids: readonly ParticipantId[]): Promise<ParticipantId[]> {
  const rows = await db.query<{ id: ParticipantId }>(disabledStatement, [textArray(ids)]);
  return rows.map((row) => row.id);
}

/** Participants by id, ascending. */
export async function listParticipants(
  db: Kysely<Database>,
  filter: ParticipantFilter,
): Promise<Participant[]> {
  let query = db.selectFrom('participants').selectAll().orderBy('id').limit(filter.limit);
  if (filter.kind !== undefined) query = query.where('kind', '=', filter.kind);
  if (filter.status !== undefined) query = query.where('status', '=', filter.status);
  if (filter.only !== undefined) query = query.where('id', '=', filter.only);
  if (filter.after !== undefined) query = query.where('id', '>', filter.after as ParticipantId);
  return query.execute();
}

/** By convention the id says it: `agent:…`, `system:…`; everybody else is a user. */
function inferKind(id: ParticipantId): ParticipantKind {
  if (id.startsWith('agent:')) return 'agent';
  return id.startsWith('system:') ? 'system' : 'user';
}
