import { readFile } from 'node:fs/promises';
import { describeSchema, quietLog, type TestDatabase, testDatabase } from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findOutstandingMigrations, migrateDatabase } from '../../src/storage/migrate-database.ts';

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
    expect((await findOutstandingMigrations(database.target, quietLog)).length).toBeGreaterThan(0);
    const nodes = await Promise.all([1, 2, 3, 4].map(() => migrateDatabase(database.target, quietLog)));
    expect(nodes.flat()).toEqual([...new Set(nodes.flat())]);
    expect(await findOutstandingMigrations(database.target, quietLog)).toEqual([]);
    expect(await migrateDatabase(database.target, quietLog)).toEqual([]);
  });
});
