import { readFile } from 'node:fs/promises';
import { describeSchema, quietLog, type TestDatabase, testDatabase } from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrateDatabase, readMigrationState } from '../../src/storage/migrate-database.ts';

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await testDatabase();
  client = new Client(database.target);
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database[Symbol.asyncDispose]();
});

describe('migrations', () => {
  test('make what schema.sql says', async () => {
    const expected = await readFile(new URL('../../schema.sql', import.meta.url), 'utf8');
    expect(await describeSchema(client)).toBe(expected);
  });

  test('run once, however many nodes start at the same time', async () => {
    await client.query('drop schema public cascade; create schema public');
    expect((await readMigrationState(database.target, quietLog)).outstanding.length).toBeGreaterThan(0);
    const nodes = await Promise.all([1, 2, 3, 4].map(() => migrateDatabase(database.target, quietLog)));
    expect(nodes.flat()).toEqual([...new Set(nodes.flat())]);
    expect(await readMigrationState(database.target, quietLog)).toEqual({ outstanding: [], unknown: [] });
    expect(await migrateDatabase(database.target, quietLog)).toEqual([]);
  });

  test('of a newer version are named, and nothing is changed', async () => {
    await client.query(`insert into kysely_migration values ('9999-future', '2100-01-01T00:00:00Z')`);
    const migrating = migrateDatabase(database.target, quietLog);
    await expect(migrating).rejects.toThrow(
      /a newer FleetLM has changed the tables .*\(9999-future\): run that one/,
    );
    expect((await readMigrationState(database.target, quietLog)).unknown).toEqual(['9999-future']);
  });
});
