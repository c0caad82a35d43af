import { readdir, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import {
  acceptTestPostgres,
  issuerKey,
  JwksServer,
  startTestServer,
  type TestDatabase,
  type TestServer,
  temporaryDataDir,
  testDatabase,
  testSecret,
} from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Check } from '../../src/cli/doctor/check.ts';
import { judgeDatabase } from '../../src/cli/doctor/database-checks.ts';
import type { DatabaseFacts } from '../../src/cli/doctor/database-facts.ts';
import { judgeFreeSpace } from '../../src/cli/doctor/embedded-checks.ts';
import { judgeFileLimit } from '../../src/cli/doctor/machine-checks.ts';
import { findPooler } from '../../src/cli/doctor/pooler.ts';
import { renderChecks } from '../../src/cli/doctor/render-checks.ts';
import { parseConfig } from '../../src/config/config.ts';
import { startEmbeddedPostgres } from '../../src/storage/embedded/embedded-postgres.ts';
import { recordLog } from '../storage/embedded-fixture.ts';
import { runCommand } from './command-fixture.ts';

const resources = new AsyncDisposableStack();
let database: TestDatabase;
let server: TestServer;

beforeAll(async () => {
  database = resources.use(await testDatabase());
  server = resources.use(await startTestServer({ database }));
});
afterAll(() => resources.disposeAsync());

type Environment = Readonly<Record<string, string>>;

/** Everything that the doctor finds, beside a database that is accepted as it is. */
async function consult(env: Environment = {}) {
  const usual = { PORT: '0', DATABASE_URL: database.url, ...acceptTestPostgres };
  const { code, output } = await runCommand(['doctor', '--json'], { ...usual, ...env });
  return { code, checks: JSON.parse(output).checks as Check[] };
}

/** What it says about one subject, as "level: finding → remedy". */
async function findings(subject: string, env: Environment = {}): Promise<string[]> {
  const { checks } = await consult(env);
  return checks
    .filter((check) => check.subject === subject)
    .map(({ level, finding, remedy }) => `${level}: ${finding}${remedy === null ? '' : ` → ${remedy}`}`);
}

describe('fleetlm doctor', { concurrent: true }, () => {
  test('prints a line for each check and a sum, and ends with 0 when nothing fails', async ({ expect }) => {
    const env = {
      PORT: '0',
      DATABASE_URL: database.url,
      FLEETLM_MAX_CONNECTIONS: '100',
      ...acceptTestPostgres,
    };
    const { code, output } = await runCommand(['doctor'], env);
    const lines = output.trimEnd().split('\n');
    expect(lines.at(-1)).toMatch(/^0 failed, \d+ to look at, \d+ in order$/);
    for (const line of lines.slice(0, -2)) expect(line).toMatch(/^(ok {2}|warn) {2}\w+ +\S/);
    expect(lines).toContainEqual(
      expect.stringMatching(/^ok {4}database +Postgres \d+.* answers: database test_/),
    );
    expect(lines).toContainEqual(expect.stringMatching(/^ok {4}machine +\d+ files may be open/));
    expect(code).toBe(0);
  });

  test('a setting that loses messages fails it; accepted by name it is warned of', async ({ expect }) => {
    const { code, checks } = await consult({ FLEETLM_ACCEPT_UNSAFE_POSTGRES: '' });
    expect(code).toBe(1);
    expect(checks.filter(({ level }) => level === 'fail')).toEqual([
      {
        level: 'fail',
        subject: 'database',
        finding: expect.stringMatching(/^fsync=off: a crash of the machine/),
        remedy: 'start Postgres without `-c fsync=off`, or accept it by FLEETLM_ACCEPT_UNSAFE_POSTGRES=fsync',
      },
    ]);
    expect(await findings('database')).toContainEqual(
      expect.stringMatching(/^warn: fsync=off, accepted by name/),
    );
  });

  test('looks at a database that has no tables, and makes none', async ({ expect }) => {
    await using empty = await testDatabase();
    const client = new Client(empty.url);
    await client.connect();
    await client.query('drop schema public cascade; create schema public');
    const outstanding =
      'migrations are outstanding: 0001-conversation, 0002-inbox, 0003-preview, 0004-agents';
    expect(await findings('database', { DATABASE_URL: empty.url })).toContain(
      `ok: ${outstanding}; the next start runs them`,
    );
    const off = { DATABASE_URL: empty.url, FLEETLM_MIGRATE_AT_START: '0' };
    expect(await findings('database', off)).toContain(
      `fail: ${outstanding}, and FLEETLM_MIGRATE_AT_START is off → run \`fleetlm db migrate\``,
    );
    const { rowCount } = await client.query(`select from pg_tables where schemaname = 'public'`);
    await client.end();
    expect(rowCount).toBe(0);
  });

  test('a role without rights is told which', async ({ expect }) => {
    await using own = await testDatabase();
    const client = new Client(own.url);
    await client.connect();
    const role = `reader_${process.pid}`;
    await client.query(`create role ${role} login`);
    await client.query(`grant select on all tables in schema public to ${role}`);
    const url = own.url.replace('postgres://postgres@', `postgres://${role}@`);
    const found = await findings('database', { DATABASE_URL: url });
    await client.query(`drop owned by ${role}; drop role ${role}`);
    await client.end();
    expect(found).toContainEqual(
      expect.stringMatching(
        /^fail: reader_\d+ may not read and write chat_messages, chat_sessions, .*→ run as/,
      ),
    );
  });

  test('no Postgres, one that says nothing, one that refuses: what to do, in time', async ({ expect }) => {
    await using silent = await listen();
    const startedMs = performance.now();
    const [closed, quiet, absent] = await Promise.all([
      findings('database', { DATABASE_URL: 'postgres://me:geheim@127.0.0.1:1/chat' }),
      findings('database', { DATABASE_URL: `postgres://me:geheim@127.0.0.1:${silent.port}/chat` }),
      findings('database', { DATABASE_URL: database.url.replace(/test_\w+/, 'absent') }),
    ]);
    expect(closed).toEqual([
      'fail: Postgres at DATABASE_URL does not answer (connect ECONNREFUSED 127.0.0.1:1) → start it, or correct DATABASE_URL',
    ]);
    expect(quiet).toEqual([
      expect.stringMatching(/^fail: Postgres at DATABASE_URL does not answer \(.*timeout/),
    ]);
    expect(absent).toEqual(['fail: database "absent" does not exist → create it with `fleetlm db create`']);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });

  test('a port that a FleetLM serves is told with its health', async ({ expect }) => {
    const { port } = new URL(server.url);
    expect(await findings('port', { FLEETLM_OPS_PORT: port })).toEqual([
      'ok: PORT=0 takes a free one',
      `ok: a FleetLM serves on ${port}, and is ready`,
    ]);
    expect(await findings('port', { PORT: port })).toEqual([`ok: a FleetLM serves on ${port}, and is ready`]);
  });

  test('a port that something else has taken fails, whatever it answers', async ({ expect }) => {
    await using other = await listen((socket) =>
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'),
    );
    expect(await findings('port', { PORT: String(other.port) })).toEqual([
      `fail: ${other.port} of 127.0.0.1 is taken, and not by a FleetLM that answers → stop what listens there, or set PORT to another port`,
    ]);
    expect(
      await findings('port', { HOST: '192.0.2.1', PORT: '4000', FLEETLM_JWT_SECRET: testSecret }),
    ).toEqual([expect.stringMatching(/^fail: HOST=192\.0\.2\.1 is no address of this machine/)]);
  });

  test('a FleetLM that is not ready fails, with its reasons', async ({ expect }) => {
    const body = '{"status":"not_ready","reasons":["Postgres does not answer"]}';
    await using sick = await listen((socket) =>
      socket.end(`HTTP/1.1 503 \r\ncontent-length: ${body.length}\r\n\r\n${body}`),
    );
    expect(await findings('port', { PORT: String(sick.port) })).toEqual([
      expect.stringMatching(/^fail: the FleetLM on \d+ is not ready: Postgres does not answer → /),
    ]);
  });

  test('a JWKS is fetched', async ({ expect }) => {
    const issuer = await JwksServer.start(await issuerKey('ES256', 'k'));
    const { url } = issuer;
    const env = { FLEETLM_JWKS_URL: url, FLEETLM_JWT_AUDIENCE: 'chat' };
    const [keys] = await findings('authentication', env);
    await issuer[Symbol.asyncDispose]();
    expect(keys).toMatch(new RegExp(`^ok: ${url} has keys: \\d+$`));
    const [gone] = await findings('authentication', env);
    expect(gone).toMatch(
      /^fail: the keys of .* cannot be fetched: connect ECONNREFUSED .* → correct FLEETLM_JWKS_URL/,
    );
  });

  test.for<[string, Environment, RegExp]>([
    ['no authentication', {}, /^warn: FLEETLM_AUTH=none believes/],
    ['a secret', { FLEETLM_JWT_SECRET: testSecret }, /^ok: tokens are checked with FLEETLM_JWT_SECRET$/],
    [
      'an open door',
      { HOST: '0.0.0.0', FLEETLM_AUTH: 'none', FLEETLM_INSECURE_ALLOW_NO_AUTH: '1' },
      /^warn: FLEETLM_INSECURE_ALLOW_NO_AUTH=1: whoever reaches this address/,
    ],
    [
      'an acceptance of nothing',
      { FLEETLM_JWT_SECRET: testSecret, FLEETLM_INSECURE_ALLOW_NO_AUTH: '1' },
      /^warn: FLEETLM_INSECURE_ALLOW_NO_AUTH=1 changes nothing/,
    ],
    [
      'origins',
      { FLEETLM_ALLOWED_ORIGINS: 'https://a.example/,http://b.example' },
      /^ok: web pages of https:\/\/a\.example, http:\/\/b\.example may connect, no others$/,
    ],
  ])('authentication: %s', async ([, env, expected], { expect }) => {
    expect(await findings('authentication', env)).toContainEqual(expect.stringMatching(expected));
  });

  test('faults that were left on, unknown variables and a log that says nothing are pointed out', async ({
    expect,
  }) => {
    const env = {
      FLEETLM_FAILPOINTS: 'before_commit=throw@0.1',
      FLEETLM_DB_POL_SIZE: '3',
      LOG_LEVEL: 'silent',
    };
    expect(await findings('configuration', env)).toEqual([
      'ok: every variable is valid',
      'warn: FLEETLM_DB_POL_SIZE is no variable of FleetLM → FLEETLM_DB_POOL_SIZE was meant?',
      expect.stringMatching(
        /^warn: FLEETLM_FAILPOINTS=before_commit=throw@0\.1 provokes faults → take it away/,
      ),
      expect.stringMatching(/^warn: LOG_LEVEL=silent/),
    ]);
  });

  test('a bad configuration fails with every problem, and nothing else is tried', async ({ expect }) => {
    const { code, checks } = await consult({ PORT: 'http', LOG_LEVEL: 'loud' });
    expect(code).toBe(1);
    expect(checks.map(({ level, finding }) => [level, finding.split(' ')[0]])).toEqual([
      ['fail', 'PORT'],
      ['fail', 'LOG_LEVEL'],
    ]);
  });

  test('a data directory is looked at, and neither made nor taken', async ({ expect }) => {
    await using dataDir = await temporaryDataDir();
    const absent = join(dataDir.path, 'not', 'there');
    expect(await findings('data directory', { DATABASE_URL: '', FLEETLM_DATA_DIR: absent })).toEqual([
      `ok: ${absent} will be made by the first start`,
      expect.stringMatching(/^\w+: \d+ MiB are free for /),
      expect.stringMatching(/^ok: Postgres \d+ comes with FleetLM$/),
    ]);
    expect(await readdir(dataDir.path)).toEqual([]);
  });

  test('a data directory that is a file, or below one, fails', async ({ expect }) => {
    await using dataDir = await temporaryDataDir();
    const file = join(dataDir.path, 'file');
    await writeFile(file, '');
    for (const path of [file, join(file, 'below')]) {
      expect(await findings('data directory', { DATABASE_URL: '', FLEETLM_DATA_DIR: path })).toEqual([
        `fail: ${file} is not a directory → name one by FLEETLM_DATA_DIR`,
      ]);
    }
  });

  test('a data directory that a FleetLM uses: its pid, and its Postgres is looked into', async ({
    expect,
  }) => {
    await using dataDir = await temporaryDataDir();
    const env = {
      DATABASE_URL: '',
      FLEETLM_DATA_DIR: dataDir.path,
      ...{ FLEETLM_ACCEPT_UNSAFE_POSTGRES: '' },
    };
    const settings = { fsync: 'off' };
    const postgres = await startEmbeddedPostgres({ dataDir: dataDir.path, log: recordLog().log, settings });
    const { checks } = await consult(env);
    await postgres.stop();
    const told = checks.map(({ level, finding }) => `${level}: ${finding}`);
    expect(told).toContainEqual(
      expect.stringMatching(
        new RegExp(`^ok: ${dataDir.path} is in use by a FleetLM that runs \\(pid ${process.pid}\\)`),
      ),
    );
    expect(told).toContainEqual(expect.stringMatching(/^ok: Postgres \d+.* answers: database postgres/));
    expect(told).toContainEqual(expect.stringMatching(/^fail: fsync=off/));
    expect(await findings('data directory', env)).toContain(
      `ok: ${dataDir.path} can be written to, and nobody uses it now`,
    );
  });
});

const well: DatabaseFacts = {
  version: '17.2',
  versionNumber: 170_002,
  database: 'chat',
  role: 'app',
  isReadOnly: false,
  isEncrypted: true,
  mayCreate: true,
  connectionLimit: 97,
  otherConnections: 5,
  backendPid: 42,
  outstanding: [],
  unknown: [],
  unsafe: [],
  closedTables: [],
  pooler: null,
  clockAheadMs: 3,
  clockErrorMs: 1,
  host: 'db.example',
};

describe('what the facts of a Postgres mean', () => {
  const config = parseConfig({});
  const judge = (facts: Partial<DatabaseFacts>) =>
    judgeDatabase({ ...well, ...facts }, config)
      .filter(({ level }) => level !== 'ok')
      .map(({ level, finding }) => `${level}: ${finding}`);

  test('all is well', () => {
    expect(judge({})).toEqual([]);
    expect(judge({ isEncrypted: false, host: null })).toEqual([]);
    expect(judge({ isEncrypted: false, host: '127.0.0.1' })).toEqual([]);
    expect(judge({ clockAheadMs: 5_000, clockErrorMs: 4_500 })).toEqual([]);
  });

  test.each<[Partial<DatabaseFacts>, RegExp]>([
    [{ version: '13.1', versionNumber: 130_001 }, /^fail: Postgres 13\.1 is too old$/],
    [{ isReadOnly: true }, /^fail: Postgres 17\.2 takes no writes: it is a standby/],
    [{ isEncrypted: false }, /^warn: the connection to db\.example is not encrypted$/],
    [
      { outstanding: ['0002-inbox'], mayCreate: false },
      /^fail: migrations are outstanding: 0002-inbox, and app may/,
    ],
    [{ unknown: ['0009-future'] }, /^fail: a newer FleetLM has changed the tables \(0009-future\)$/],
    [{ closedTables: ['participants'] }, /^fail: app may not read and write participants$/],
    [{ pooler: 'mixes sessions' }, /^fail: a pooler in front of Postgres loses settings/],
    [{ pooler: 'keeps a session' }, /^warn: a pooler stands in front of Postgres/],
    [{ connectionLimit: 13 }, /^fail: a node takes up to 14 connections \(lanes \+ 2 \+ pool\), of 13$/],
    [{ otherConnections: 84 }, /^warn: a node takes up to 14 connections .*, of 97, and others hold 84$/],
    [{ clockAheadMs: 2_340 }, /^warn: the clock of Postgres is 2\.3 s ahead of that of this machine$/],
    [{ clockAheadMs: -61_000 }, /^warn: the clock of Postgres is 61\.0 s behind that of this machine$/],
  ])('%j', (facts, expected) => {
    expect(judge(facts)).toEqual([expect.stringMatching(expected)]);
  });
});

test('a connection whose backend has another pid than was told goes through a pooler', async () => {
  const connect = async () => {
    const client = new Client(database.url);
    await client.connect();
    return client;
  };
  const client = await connect();
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  expect(await findPooler(client, rows[0]!.pid, connect)).toBeNull();
  // Pretended; Postgres itself keeps a session's settings.
  expect(await findPooler(client, rows[0]!.pid + 1, connect)).toBe('keeps a session');
  await client.end();
});

test.each([
  [100_078, 'ok'],
  [100_077, 'warn'],
  [1_024, 'warn'],
  [1_023, 'fail'],
  [null, 'ok'],
])('%s files may be open: %s', (limit, level) => {
  expect(judgeFileLimit(limit, parseConfig({})).level).toBe(level);
});

test.each([
  [2_048, 'ok'],
  [2_047, 'warn'],
  [256, 'warn'],
  [255, 'fail'],
])('%i MiB are free: %s', (mebibytes, level) => {
  expect(judgeFreeSpace(mebibytes * 2 ** 20, '/data').level).toBe(level);
});

test('messages of several lines stay on a line', () => {
  const check: Check = { level: 'fail', subject: 'x', finding: 'one:\n  two', remedy: 'three' };
  expect(renderChecks([check])).toBe('fail  x  one: two → three\n\n1 failed, 0 to look at, 0 in order');
});

/** Something that listens, and does what it is told with each connection: nothing, by default. */
async function listen(onConnection: (socket: Socket) => void = () => {}) {
  const sockets = new Set<Socket>();
  const other = createServer((socket) => {
    sockets.add(socket);
    onConnection(socket);
  });
  await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
  const address = other.address();
  if (address === null || typeof address === 'string') throw new Error('a server without a port');
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => other.close(done));
    },
  };
}
