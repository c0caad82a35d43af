import { Client } from 'pg';
import type { Config } from '../config/config.ts';
import { seedDemo } from '../conversation/demo-seeds.ts';
import type { Log } from '../lib/log.ts';
import { checkServer } from '../storage/check-server.ts';
import type { ConnectionTarget } from '../storage/connection.ts';
import { openDatabase } from '../storage/database.ts';
import { migrateDatabase } from '../storage/migrate-database.ts';
import { openStorage } from '../storage/open-storage.ts';

export const databaseCommands = ['create', 'migrate', 'seed', 'setup', 'reset'] as const;
export type DatabaseCommand = (typeof databaseCommands)[number];

/** Prints a line for the person at the terminal. */
type Say = (line: string) => void;

/** Runs one `fleetlm db …` command. Throws with a message that says what to do. */
export async function runDatabaseCommand(
  command: DatabaseCommand,
  { database }: Config,
  { log, say }: { log: Log; say: Say },
): Promise<void> {
  if (database.url !== null && (command === 'create' || command === 'setup')) {
    await create(database.url, database.waitMs, { log, say });
  }
  await using storage = await openStorage(database, log);
  if (command === 'create') {
    if (storage.isEmbedded) say(`the embedded Postgres in ${database.dataDir} is there`);
    return;
  }
  if (command === 'reset') await dropEverything(storage.target, say);
  if (command !== 'seed') await migrate(storage.target, log, say);
  if (command !== 'migrate') await seed(storage.target, log, say);
}

/** Makes the database that the URL names, by way of the `postgres` database of the same server. */
async function create(url: string, waitMs: number, { log, say }: { log: Log; say: Say }): Promise<void> {
  const { name, administration } = splitUrl(url);
  await checkServer(administration, log, { waitMs });
  const client = new Client(administration);
  await client.connect();
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (rowCount === 0)
      await client.query(
        `create database ${client.escapeIdentifier(name)} encoding 'UTF8' template template0`,
      );
    say(`database ${name} ${rowCount === 0 ? 'created' : 'is there already'}`);
  } finally {
    await client.end();
  }
}

/** By hand: `URL` refuses `postgres://user@/name?host=/run/postgresql`, and decodes more than `pg` does. */
function splitUrl(url: string): { readonly name: string; readonly administration: ConnectionTarget } {
  const [, server = '', path = '', parameters = ''] = /^(\w+:\/\/[^/?]*)\/?([^?]*)(.*)$/.exec(url) ?? [];
  if (path === '') throw new Error('DATABASE_URL names no database: append /name');
  return { name: decodeURI(path), administration: { connectionString: `${server}/postgres${parameters}` } };
}

async function migrate(target: ConnectionTarget, log: Log, say: Say): Promise<void> {
  const names = await migrateDatabase(target, log);
  say(names.length === 0 ? 'the tables are up to date' : `migrated: ${names.join(', ')}`);
}

async function seed(target: ConnectionTarget, log: Log, say: Say): Promise<void> {
  const db = openDatabase(target, 1, log);
  try {
    const { participants, sessions } = await seedDemo(db.kysely);
    say(`participants: ${participants.join(', ')}`);
    say(`sessions: ${sessions.join(', ')}`);
  } finally {
    await db.close();
  }
}

async function dropEverything(target: ConnectionTarget, say: Say): Promise<void> {
  const client = new Client(target);
  await client.connect();
  try {
    await client.query('drop schema public cascade; create schema public');
    say('everything deleted');
  } finally {
    await client.end();
  }
}
