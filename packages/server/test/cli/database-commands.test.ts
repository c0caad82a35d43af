import { quietLog, startTestServer, temporaryDataDir } from '@fleetlm/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../src/storage/embedded/embedded-postgres.ts';
import { runCommand } from './command-fixture.ts';

/** A Postgres as a team has one: over TCP, with a password. */
const password = 'pass/word @:?';
let postgres: EmbeddedPostgres;
const resources = new AsyncDisposableStack();

beforeAll(async () => {
  const { path } = resources.use(await temporaryDataDir());
  const settings = { fsync: 'off' };
  postgres = await startEmbeddedPostgres({ dataDir: path, log: quietLog, tcp: { password }, settings });
  resources.use(postgres);
});
afterAll(() => resources.disposeAsync());

function urlOf(database: string, given = password): string {
  const { host, port, user } = postgres.connection;
  return `postgres://${user}:${encodeURIComponent(given)}@${host}:${port}/${encodeURIComponent(database)}`;
}

test('create, migrate, seed and reset the database of DATABASE_URL, which a server then serves', async () => {
  const env = { DATABASE_URL: urlOf('made by fleetlm') };
  const db = async (...args: string[]) => {
    const { code, output } = await runCommand(['db', ...args], env);
    expect({ code, output }).toMatchObject({ code: 0 });
    return output;
  };
  expect(await db('create')).toBe('database made by fleetlm created\n');
  expect(await db('migrate')).toMatch(/^migrated: 0001-/);
  const seeded = await db('seed');
  expect(seeded).toContain('user:alice');
  expect(await db('setup')).toBe(
    `database made by fleetlm is there already\nthe tables are up to date\n${seeded}`,
  );

  const refused = await runCommand(['db', 'reset'], env);
  expect(refused.code).toBe(1);
  expect(refused.output).toContain('--yes');
  const reset = await db('reset', '--yes');
  expect(reset).toMatch(/^everything deleted\nmigrated: 0001-/);
  expect(reset).not.toContain(seeded);

  await using server = await startTestServer({ env });
  const { body } = await server.api('GET', '/api/sessions', { as: 'user:alice' });
  expect(body.sessions).toHaveLength(3);
});

test('create and reset the embedded one, and leave no process', async () => {
  await using dataDir = await temporaryDataDir();
  const env = { FLEETLM_DATA_DIR: dataDir.path };
  expect(await runCommand(['db', 'create'], env)).toEqual({
    code: 0,
    output: `the embedded Postgres in ${dataDir.path} is there\n`,
  });
  expect(await dataDir.processes()).toEqual([]);
  const reset = await runCommand(['db', 'reset', '--yes'], env);
  expect(reset).toMatchObject({ code: 0, output: expect.stringContaining('everything deleted') });
  expect(await dataDir.processes()).toEqual([]);
});

test('say what to do about a database that cannot be used', async () => {
  const cases = [
    {
      url: urlOf('absent'),
      says: 'database "absent" does not exist: create it with `fleetlm db create`',
    },
    { url: urlOf('postgres', 'wrong'), says: 'correct its name or its password' },
  ];
  for (const { url, says } of cases) {
    const { code, output } = await runCommand(['db', 'migrate'], { DATABASE_URL: url });
    expect(code).toBe(1);
    expect(output).toContain(says);
    expect(output).not.toContain('wrong');
    expect(output).not.toContain(password);
  }
});
