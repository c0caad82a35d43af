import { sql } from 'kysely';
import type { Log } from '../lib/log.ts';
import type { ConnectionTarget } from './connection.ts';
import { type Db, openDatabase } from './database.ts';
import { inspectMigrations, type MigrationState, migrateToLatest } from './migrations.ts';

/** Brings the database at `target` up to this version. Returns the names of the migrations that were run. */
export function migrateDatabase(target: ConnectionTarget, log: Log): Promise<string[]> {
  return withDatabase(target, log, (db) => migrateToLatest(db.kysely));
}

/** Migrations that the database at `target` lacks, or has and this version does not know. */
export function readMigrationState(target: ConnectionTarget, log: Log): Promise<MigrationState> {
  return withDatabase(target, log, (db) => inspectMigrations((text) => sql.raw(text).execute(db.kysely)));
}

async function withDatabase<T>(target: ConnectionTarget, log: Log, run: (db: Db) => Promise<T>): Promise<T> {
  const db = openDatabase(target, 1, log);
  try {
    return await run(db);
  } finally {
    await db.close();
  }
}
