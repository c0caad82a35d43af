import type { Log } from '../lib/log.ts';
import type { ConnectionTarget } from './connection.ts';
import { openDatabase } from './database.ts';
import { migrateToLatest } from './migrations.ts';

/** Brings the database at `target` up to this version. Returns the names of the migrations that were run. */
export async function migrateDatabase(target: ConnectionTarget, log: Log): Promise<string[]> {
  const db = openDatabase(target, 1, log);
  try {
    return await migrateToLatest(db.kysely);
  } finally {
    await db.close();
  }
}
