import { addGroup, addParticipants, startTestServer, temporaryDataDir, waitUntil } from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/config.ts';
import type { Overrides } from '../../src/context.ts';
import { Server } from '../../src/server.ts';
import { mend } from '../../src/storage/durability.ts';
import { startEmbeddedPostgres } from '../../src/storage/embedded/embedded-postgres.ts';
import { recordLog } from './embedded-fixture.ts';

/** A Postgres with two of the settings off, as a team might have tuned it; the third comes and goes. */
const resources = new AsyncDisposableStack();
let admin: Client;
let url: string;

beforeAll(async () => {
  const { path } = resources.use(await temporaryDataDir());
  const settings = { fsync: 'off', full_page_writes: 'off' };
  const { log } = recordLog();
  const postgres = resources.use(
    await startEmbeddedPostgres({ dataDir: path, log, tcp: { password: 'secret' }, settings }),
  );
  admin = new Client(postgres.connection);
  await admin.connect();
  resources.defer(() => admin.end());
  await admin.query(`create role app login password 'secret'`);
  await admin.query('create database "Chat db" owner app');
  url = `postgres://app:secret@127.0.0.1:${postgres.connection.port}/Chat%20db`;
});
afterAll(() => resources.disposeAsync());

/** What a start says when Postgres' settings are accepted like this. */
async function refusalOf(accepted: string): Promise<string> {
  const env = { PORT: '0', DATABASE_URL: url, FLEETLM_ACCEPT_UNSAFE_POSTGRES: accepted };
  const { log } = recordLog();
  await using server = new Server(parseConfig(env), { log });
  return await server.start().then(
    () => 'it started',
    (error: Error) => error.message,
  );
}

/** With `synchronous_commit` off, where `where` says, until the end of the block. */
async function switchOff(where: string): Promise<AsyncDisposable> {
  await admin.query(`alter ${where} set synchronous_commit = off`);
  return {
    async [Symbol.asyncDispose]() {
      await admin.query(`alter ${where} reset synchronous_commit`);
    },
  };
}

describe('a start with a Postgres that would lose what was acknowledged', () => {
  test('is refused: each setting by name, what it can lose, how to mend and how to accept it', async () => {
    const refusal = await refusalOf('');
    expect(refusal).toMatch(/^Postgres would lose what FleetLM acknowledges:\n/);
    expect(refusal).toContain('fsync=off: a crash of the machine can destroy the database');
    expect(refusal).toContain('start Postgres without `-c fsync=off`');
    expect(refusal).toContain('full_page_writes=off: a crash of the machine can leave torn pages');
    expect(refusal).toMatch(/accept it by FLEETLM_ACCEPT_UNSAFE_POSTGRES=fsync,full_page_writes$/);
  });

  test('is refused for those that are not accepted', async () => {
    const refusal = await refusalOf('fsync');
    expect(refusal).not.toContain('fsync=off');
    expect(refusal).toMatch(/accept it by FLEETLM_ACCEPT_UNSAFE_POSTGRES=full_page_writes$/);
  });

  test.each([
    ['role app', 'alter role app reset synchronous_commit'],
    ['database "Chat db"', 'alter database "Chat db" reset synchronous_commit'],
    ['role app in database "Chat db"', 'alter role app in database "Chat db" reset synchronous_commit'],
  ])('is refused for a setting of the %s, and says where to mend it', async (where, remedy) => {
    await using _ = await switchOff(where);
    const refusal = await refusalOf('fsync,full_page_writes');
    expect(refusal).toContain('synchronous_commit=off: a crash of Postgres can take the last');
    expect(refusal).toContain(`run \`${remedy}\``);
  });

  test('with all of them accepted it serves, and warns of each', async () => {
    await using _ = await switchOff('role app');
    const { log, lines } = recordLog();
    await using server = await startAccepting('fsync, full_page_writes, synchronous_commit', { log });
    expect((await server.api('GET', '/health/ready')).status).toBe(200);
    const warnings = lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
    expect(warnings).toEqual([
      expect.stringMatching(/^Postgres has fsync=off, accepted by name: a crash/),
      expect.stringMatching(/^Postgres has full_page_writes=off, accepted by name: a crash/),
      expect.stringMatching(/^Postgres has synchronous_commit=off, accepted by name: a crash/),
    ]);
  });
});

test.each([
  ['configuration file', 'run `alter system set fsync = on` and `select pg_reload_conf()`'],
  ['default', 'run `alter system set fsync = on` and `select pg_reload_conf()`'],
  ['command line', 'start Postgres without `-c fsync=off`'],
  ['client', 'take fsync out of DATABASE_URL'],
])('a setting of the %s is mended where it is', (source, remedy) => {
  expect(mend({ name: 'fsync', source, role: 'app', database: 'chat' })).toBe(remedy);
});

describe('a commit of messages', () => {
  test('stays synchronous when the role is changed while the server runs, unless that is accepted', async () => {
    expect(await valuesSeenByAppends('fsync,full_page_writes', 'off')).toEqual(['on', 'on']);
    expect(await valuesSeenByAppends('fsync,full_page_writes,synchronous_commit', 'off')).toEqual([
      'on',
      'off',
    ]);
  });

  test('waits for as many standbys as somebody chose', async () => {
    expect(await valuesSeenByAppends('fsync,full_page_writes', 'remote_apply')).toEqual([
      'on',
      'remote_apply',
    ]);
  });
});

/** Each append leaves in `seen` what the setting was in its transaction. */
const recordSynchronousCommit = `
  create table seen (value text);
  create function record_seen() returns trigger language plpgsql as $$
    begin insert into seen values (current_setting('synchronous_commit')); return null; end $$;
  create trigger record_seen after insert on chat_messages for each statement execute function record_seen();
`;

/** `synchronous_commit` in an append before the role has `value`, and in one afterwards on a new connection. */
async function valuesSeenByAppends(accepted: string, value: string): Promise<string[]> {
  await using server = await startAccepting(accepted, {});
  await addParticipants(server, 'user:a', 'user:b');
  const session = await addGroup(server, 'user:a', 'user:b');
  const append = () =>
    server.api('POST', `/api/sessions/${session}/messages`, { as: 'user:a', body: { content: {} } });
  const client = new Client(url);
  await client.connect();
  try {
    await client.query(recordSynchronousCommit);
    expect((await append()).status).toBe(200);
    await admin.query(`alter role app set synchronous_commit = ${value}`);
    await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'fleetlm-append'`,
    );
    await waitUntil(async () => (await append()).status === 200, { what: 'an append on a new connection' });
    const { rows } = await client.query<{ value: string }>('select value from seen');
    return rows.map((row) => row.value).slice(0, 2);
  } finally {
    await client.query('drop function record_seen cascade; drop table seen');
    await client.end();
    await admin.query('alter role app reset synchronous_commit');
  }
}

function startAccepting(accepted: string, overrides: Overrides) {
  const env = { DATABASE_URL: url, FLEETLM_ACCEPT_UNSAFE_POSTGRES: accepted };
  return startTestServer({ env, overrides });
}
