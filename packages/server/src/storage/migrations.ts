import type { Kysely } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { up as conversation } from './migrations/0001-conversation.ts';
import { up as inbox } from './migrations/0002-inbox.ts';
import type { Database } from './schema.ts';

/** Every migration by its name, in order. Append only: a migration that has run somewhere never changes. */
const migrations: Readonly<Record<string, Migration>> = {
  '0001-conversation': { up: conversation },
  '0002-inbox': { up: inbox },
};

/**
 * Brings the database up to this version of FleetLM. Several nodes may start at once: Kysely's migrator takes
 * an advisory lock. Returns the names of what was run. Throws when a migration fails, with nothing changed.
 */
export async function migrateToLatest(db: Kysely<Database>): Promise<string[]> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } });
  const { error, results = [] } = await migrator.migrateToLatest();
  if (error) throw new Error('a migration failed; the database is as it was before', { cause: error });
  return results.map((result) => result.migrationName);
}

/** Migrations that the database has not seen. */
export async function listOutstandingMigrations(db: Kysely<Database>): Promise<string[]> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } });
  const known = await migrator.getMigrations();
  return known.filter((migration) => migration.executedAt === undefined).map((migration) => migration.name);
}
