import { createServer } from 'node:net';
import {
  acceptTestPostgres,
  type ProxiedDatabase,
  quietLog,
  startTestServer,
  type TestDatabase,
  type TestServer,
  testDatabase,
  waitUntil,
} from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/config.ts';
import type { Overrides } from '../../src/context.ts';
import { Server } from '../../src/server.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { DatabaseProbe } from '../../src/storage/database-probe.ts';
import { recordLog } from './embedded-fixture.ts';

const resources = new AsyncDisposableStack();
let database: TestDatabase;
let proxied: ProxiedDatabase;
let server: TestServer;

beforeAll(async () => {
  database = resources.use(await testDatabase());
  proxied = resources.use(await database.behindProxy());
  server = resources.use(await startTestServer({ database, env: { DATABASE_URL: proxied.url } }));
});
afterAll(() => resources.disposeAsync());

/** What `/health/ready` answers: null when it is ready. */
async function reasons(): Promise<readonly string[] | null> {
  const { status, body } = await server.api('GET', '/health/ready');
  expect([status, body.status]).toEqual(body.reasons ? [503, 'not_ready'] : [200, 'ready']);
  return body.reasons ?? null;
}

const untilReady = () => waitUntil(async () => (await reasons()) === null, { what: 'readiness' });
const untilSaid = (reason: string) =>
  waitUntil(async () => (await reasons())?.includes(reason), { what: reason });

describe('a node that has lost Postgres', () => {
  test('is not ready, stays live, and is ready again by itself', async () => {
    await untilReady();
    proxied.network.block();
    await untilSaid('Postgres does not answer');
    expect((await server.api('GET', '/health/live')).status).toBe(200);
    proxied.network.restore();
    await untilReady();
  });

  test('is not ready while Postgres takes no writes', async () => {
    await using admin = await connect(database.url);
    const name = /test_\w+/.exec(database.url)![0];
    await untilReady();
    await admin.query(`alter database ${name} set default_transaction_read_only = on`);
    proxied.network.cut();
    await untilSaid('Postgres is read-only');
    await admin.query(`alter database ${name} reset default_transaction_read_only`);
    await untilReady();
  });

  test('is not ready while it has no connection for appends', async () => {
    // Who wants to close a database to new connections must be in another one.
    await using admin = await connect(database.url.replace(/test_\w+/, 'postgres'));
    const name = /test_\w+/.exec(database.url)![0];
    await untilReady();
    await admin.query(`alter database ${name} allow_connections false`);
    await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name = $2`,
      [name, 'fleetlm-append'],
    );
    await untilSaid('appends have no connection to Postgres');
    await admin.query(`alter database ${name} allow_connections true`);
    await untilReady();
  });
});

describe('a node that starts or stops', () => {
  test('listens when it is ready, and not before', async () => {
    proxied.network.block();
    const port = await findFreePort();
    const env = { PORT: String(port), DATABASE_URL: proxied.url, ...acceptTestPostgres };
    const { log, lines } = recordLog();
    await using starting = new Server(parseConfig(env), { log });
    const started = starting.start();
    await waitUntil(() => lines.some(({ message }) => message.includes('does not answer yet')));
    await expect(fetch(`http://127.0.0.1:${port}/health/live`)).rejects.toThrow('fetch failed');
    expect(await starting.findNotReady()).toEqual(['the server is starting: waiting for Postgres']);
    proxied.network.restore();
    await started;
    expect((await fetch(`http://127.0.0.1:${port}/health/ready`)).status).toBe(200);
    await starting.stop();
    expect(await starting.findNotReady()).toEqual(['the server is shutting down']);
  });

  test('is not ready when a stop begins while Postgres is asked', async () => {
    const asked = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const wrapDb: Overrides['wrapDb'] = (db) => ({
      ...db,
      query: async (statement, values) => {
        if (statement.name === 'probe') {
          asked.resolve();
          await gate.promise;
        }
        return db.query(statement, values);
      },
    });
    await using other = await startTestServer({ database, overrides: { wrapDb } });
    const answer = other.api('GET', '/health/ready');
    await asked.promise;
    const stopped = other.server.stop();
    gate.resolve();
    const { status, body } = await answer;
    expect([status, body.reasons]).toEqual([503, ['the server is shutting down']]);
    await stopped;
  });
});

describe('the probe', () => {
  test('asks Postgres once for all who ask at a time, and not again for a moment', async () => {
    let asked = 0;
    const open = () => {
      const db = openDatabase(database.target, 1, recordLog().log);
      const query: typeof db.query = (...args) => {
        asked += 1;
        return db.query(...args);
      };
      return { ...db, query };
    };
    const probe = new DatabaseProbe({ open, accepted: ['fsync'], log: recordLog().log });
    const answers = await Promise.all(Array.from({ length: 100 }, () => probe.check()));
    answers.push(await probe.check());
    expect(new Set(answers)).toEqual(new Set([null]));
    expect(asked).toBe(1);
    await probe.close();
  });

  test('answers in time when Postgres does not, and says so once in the log', async () => {
    await using silent = await database.behindProxy();
    const { log, lines } = recordLog();
    const open = () => openDatabase({ connectionString: silent.url }, 1, log);
    const times = { timeoutMs: 50, freshMs: 0 };
    const probe = new DatabaseProbe({ open, accepted: ['fsync'], log, times });
    await waitUntil(async () => (await probe.check()) === null);
    lines.length = 0;
    silent.network.silence();
    expect(await probe.check()).toBe('Postgres does not answer');
    expect(await probe.check()).toBe('Postgres does not answer');
    silent.network.cut();
    await waitUntil(async () => (await probe.check()) === null);
    expect(
      lines.filter(({ message }) => message.startsWith('Postgres')).map(({ message }) => message),
    ).toEqual(['Postgres cannot be used', 'Postgres can be used again']);
    await probe.close();
  });

  test('warns of a setting that has come off since the start', async () => {
    const { log, lines } = recordLog();
    const open = () => openDatabase(database.target, 1, log);
    const probe = new DatabaseProbe({ open, accepted: [], log });
    expect(await probe.check()).toBeNull();
    expect(lines.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^Postgres has fsync=off by now/),
    ]);
    await probe.close();
  });
});

test('a pool that Kysely has not used ends, too', async () => {
  const db = openDatabase(database.target, 1, quietLog);
  const [backend] = await db.query<{ pid: number }>(
    { name: 'pid', text: 'select pg_backend_pid() as pid' },
    [],
  );
  await db.close();
  await using admin = await connect(database.url);
  const isGone = async () => {
    const { rowCount } = await admin.query('select from pg_stat_activity where pid = $1', [backend!.pid]);
    return rowCount === 0;
  };
  await waitUntil(isGone, { what: 'the end of the connection' });
});

async function connect(url: string) {
  const client = new Client(url);
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await waitUntil(() => probe.listening);
  const address = probe.address();
  await new Promise((done) => probe.close(done));
  if (address === null || typeof address === 'string') throw new Error('a server without a port');
  return address.port;
}
