import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describeSchema } from '@fleetlm/testkit/describe-schema';
import { migrateDatabase, startEmbeddedPostgres } from 'fleetlm';
import { Client } from 'pg';

// Writes packages/server/schema.sql: what the migrations make of an empty database.
const log = { debug() {}, info() {}, warn: console.warn, error: console.error };
const dataDir = await mkdtemp(join(tmpdir(), 'fleetlm-schema-'));
try {
  await using postgres = await startEmbeddedPostgres({ dataDir, log, settings: { fsync: 'off' } });
  await migrateDatabase(postgres.connection, log);
  const client = new Client(postgres.connection);
  await client.connect();
  const target = resolve(import.meta.dirname, '../packages/server/schema.sql');
  await writeFile(target, await describeSchema(client));
  await client.end();
  console.log(`wrote ${target}`);
} finally {
  await rm(dataDir, { recursive: true, force: true });
}
