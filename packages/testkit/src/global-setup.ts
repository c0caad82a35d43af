import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionTarget, migrateDatabase, startEmbeddedPostgres } from 'fleetlm';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { quietLog } from './quiet-log.ts';
import { templateDatabase } from './test-database.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: ConnectionTarget;
  }
}

/**
 * One Postgres for a whole test run, with a migrated template that each test file clones: the embedded one, or
 * that of FLEETLM_TEST_DATABASE_URL (a superuser's, for other versions of Postgres).
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const url = process.env['FLEETLM_TEST_DATABASE_URL'];
  const dataDir = await mkdtemp(join(tmpdir(), 'fleetlm-tests-'));
  // Tests kill processes, never the machine: without fsync the files of the test survive that as well.
  const settings = { fsync: 'off', max_connections: '300' };
  const postgres = url ? null : await startEmbeddedPostgres({ dataDir, log: quietLog, settings });
  const target: ConnectionTarget = postgres ? postgres.connection : { connectionString: url! };
  await createTemplate(target);
  project.provide('postgres', target);
  return async () => {
    await postgres?.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
}

async function createTemplate(target: ConnectionTarget): Promise<void> {
  const client = new Client(target);
  await client.connect();
  await client.query(`drop database if exists ${templateDatabase} with (force)`);
  await client.query(`create database ${templateDatabase}`);
  await client.end();
  await migrateDatabase(inDatabase(target, templateDatabase), quietLog);
}

function inDatabase(target: ConnectionTarget, database: string): ConnectionTarget {
  if (target.connectionString === undefined) return { ...target, database };
  const url = new URL(target.connectionString);
  url.pathname = `/${database}`;
  return { connectionString: url.href };
}
