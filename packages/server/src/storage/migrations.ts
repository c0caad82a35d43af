import { type Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { up as conversation } from './migrations/0001-conversation.ts';
import { up as inbox } from './migrations/0002-inbox.ts';
import { up as preview } from './migrations/0003-preview.ts';
import { up as agents } from './migrations/0004-agents.ts';
import type { Database } from './schema.ts';

/** Every migration by its name, in order. Append only: a migration that has run somewhere never changes. */
const migrations: Readonly<Record<string, Migration>> = {
  '0001-conversation': { up: conversation },
  '0002-inbox': { up: inbox },
  '0003-preview': { up: preview },
  '0004-agents': { up: agents },
};

/**
 * Brings the database up to this version of FleetLM. Several nodes may start at once: Kysely's migrator takes
 * an advisory lock. Returns the names of what was run. Throws when a migration fails, with nothing changed.
 */
export async function migrateToLatest(db: Kysely<Database>): Promise<string[]> {
  const { unknown } = await inspectMigrations((text) => sql.raw(text).execute(db));
  if (unknown.length > 0) throw new NewerDatabaseError(unknown);
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } });
  const { error, results = [] } = await migrator.migrateToLatest();
  if (error) throw new Error('a migration failed; the database is as it was before', { cause: error });
  return results.map((result) => result.migrationName);
}

/** A newer FleetLM has changed the tables; what it made of them is not known here. */
class NewerDatabaseError extends Error {
  constructor(unknown: readonly string[]) {
    super(
      `a newer FleetLM has changed the tables of this database (${unknown.join(', ')}): run that one. If its notes say ` +
        'that this version works with them, start with FLEETLM_MIGRATE_AT_START=0',
    );
    this.name = 'NewerDatabaseError';
  }
}

/** How the migrations of a database differ from ours. */
export interface MigrationState {
  /** Those that the database has not seen. */
  readonly outstanding: readonly string[];
  /** Those of a newer FleetLM. */
  readonly unknown: readonly string[];
}

/** Looks by two queries, and changes nothing. */
export async function inspectMigrations(
  query: (text: string) => Promise<{ readonly rows: readonly unknown[] }>,
): Promise<MigrationState> {
  const table = await query("select to_regclass('kysely_migration') as name");
  const isThere = (table.rows[0] as { name: string | null }).name !== null;
  const { rows } = isThere ? await query('select name from kysely_migration order by name') : { rows: [] };
  const executed = rows.map((row) => (row as { name: string }).name);
  return {
    outstanding: Object.keys(migrations).filter((name) => !executed.includes(name)),
    unknown: executed.filter((name) => !(name in migrations)),
  };
}
