import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { EmbeddedPostgresError } from '../../src/storage/embedded/embedded-postgres-error.ts';
import { isAlive, query, recordLog, sharedDataDir, start, temporaryDirectory } from './embedded-fixture.ts';

describe('a start', () => {
  it('keeps its data over a stop', async () => {
    const dataDir = temporaryDirectory();
    const first = await start(dataDir);
    await query(first.connection, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const { pid } = first;
    await Promise.all([first.stop(), first.stop()]);
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(first.connection.host)).toBe(false);

    const second = await start(dataDir);
    expect(await query(second.connection, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('gives a durable UTF-8 database with checksums, whatever the environment says', async () => {
    for (const [name, value] of Object.entries({
      LANG: undefined,
      LC_ALL: 'xx_XX',
      PGDATA: '/',
      PGPORT: '1',
    })) {
      vi.stubEnv(name, value);
    }
    onTestFinished(() => void vi.unstubAllEnvs());
    const { connection } = await start(temporaryDirectory(), { settings: {} });
    const settings = ['server_encoding', 'data_checksums', 'fsync', 'synchronous_commit', 'full_page_writes'];
    const columns = settings.map((name) => `current_setting('${name}') AS ${name}`).join();
    const [row] = await query(
      connection,
      `SELECT ${columns}, datlocprovider, datlocale FROM pg_database WHERE datname = 'postgres'`,
    );
    expect(row).toEqual({
      server_encoding: 'UTF8',
      data_checksums: 'on',
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      datlocprovider: 'b',
      datlocale: 'C.UTF-8',
    });
  });

  it('works in a path with spaces and quotes that is longer than a socket may be', async () => {
    const name = `it's a "long" path, ${'x'.repeat(180)}`;
    const { connection } = await start(join(temporaryDirectory(), name, 'data dir'));
    expect(await query(connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('listens on a socket that only its own user can reach', async () => {
    const { connection } = await start(sharedDataDir());
    expect(statSync(connection.host).mode & 0o777).toBe(0o700);
    await expect(query({ ...connection, host: '127.0.0.1' }, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
  });

  it('takes settings, and says what Postgres says when they are wrong', async () => {
    const dataDir = sharedDataDir();
    const failed = start(dataDir, { settings: { fsync: 'off', shared_buffers: 'plenty' } });
    await expect(failed).rejects.toThrow(EmbeddedPostgresError);
    await expect(failed).rejects.toThrow(/postgres\.log says:.*shared_buffers/s);

    const { connection } = await start(dataDir, { settings: { fsync: 'off', max_connections: '7' } });
    expect(await query(connection, 'SHOW max_connections')).toEqual([{ max_connections: '7' }]);
  });
});

describe('TCP', () => {
  it('asks for the password, also one that has changed', async () => {
    const dataDir = sharedDataDir();
    const first = await start(dataDir, { tcp: { password: "it's right" } });
    const { connection } = first;
    expect(connection).toMatchObject({ host: '127.0.0.1', password: "it's right" });
    expect(await query(connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await expect(query({ ...connection, password: 'wrong' }, 'SELECT 1')).rejects.toThrow('password');
    await first.stop();

    const second = await start(dataDir, { tcp: { password: 'another', port: connection.port } });
    expect(second.connection.port).toBe(connection.port);
    expect(await query(second.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await expect(query(connection, 'SELECT 1')).rejects.toThrow('password');
    expect(readFileSync(join(dataDir, 'postgres.log'), 'utf8')).not.toContain('another');
  });

  it('refuses a password that it could not set', async () => {
    await expect(start(temporaryDirectory(), { tcp: { password: 'two\nlines' } })).rejects.toThrow(
      'one line',
    );
  });
});

describe('a data directory that it cannot use', () => {
  it('of another major version', async () => {
    const dataDir = temporaryDirectory();
    mkdirSync(join(dataDir, 'postgres'));
    writeFileSync(join(dataDir, 'postgres', 'PG_VERSION'), '15\n');
    await expect(start(dataDir)).rejects.toThrow(/made by Postgres 15, and this FleetLM brings Postgres 18/);
  });

  it('with files of somebody else', async () => {
    const dataDir = temporaryDirectory();
    mkdirSync(join(dataDir, 'postgres'));
    writeFileSync(join(dataDir, 'postgres', 'thesis.txt'), 'mine');
    await expect(start(dataDir)).rejects.toThrow(/neither empty nor a Postgres cluster/);
    expect(readdirSync(join(dataDir, 'postgres'))).toEqual(['thesis.txt']);
  });

  it('that is a file, or lies below one', async () => {
    const path = join(temporaryDirectory(), 'file');
    writeFileSync(path, '');
    await expect(start(path)).rejects.toThrow(
      `The data directory ${path} is not a directory: name one by FLEETLM_DATA_DIR.`,
    );
    await expect(start(join(path, 'data'))).rejects.toThrow('lies below something that is not a directory');
  });
});

describe('a postmaster that ends by itself', () => {
  it('comes back after kill -9, at the same address, with what was committed', async () => {
    const { log, lines } = recordLog();
    const postgres = await start(sharedDataDir(), { log });
    const { connection, pid } = postgres;
    await query(connection, 'CREATE TABLE kept AS SELECT 42 AS answer');
    // An open transaction is not among it.
    const client = new pg.Client(connection);
    client.on('error', () => {}); // cut by the kill
    await client.connect();
    await client.query('BEGIN; INSERT INTO kept VALUES (43)');

    process.kill(pid, 'SIGKILL');

    await vi.waitUntil(() => postgres.pid !== pid, { timeout: 15_000 });
    expect(await query(connection, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    expect(postgres.connection).toEqual(connection);
    expect(lines.filter(({ level }) => level === 'error')[0]?.message).toContain('ended by itself');
    await client.end();
  });

  it('is tried again until it starts', async () => {
    const dataDir = sharedDataDir();
    const { log, lines } = recordLog();
    const postgres = await start(dataDir, { log });
    const { connection, pid } = postgres;
    const control = join(dataDir, 'postgres', 'global', 'pg_control');
    renameSync(control, `${control}.away`);
    process.kill(pid, 'SIGKILL');
    const failures = () => lines.filter(({ message }) => message.includes('did not start again'));
    await vi.waitUntil(() => failures().length === 2, { timeout: 10_000 });

    renameSync(`${control}.away`, control);
    await vi.waitUntil(() => postgres.pid !== pid, { timeout: 10_000 });
    expect(await query(connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('stays down when it is stopped before it is back', async () => {
    const dataDir = sharedDataDir();
    const { log, lines } = recordLog();
    const postgres = await start(dataDir, { log, tcp: { password: 'secret' } });
    process.kill(postgres.pid, 'SIGKILL');
    await vi.waitUntil(() => lines.some(({ level }) => level === 'error'), { timeout: 5_000 });
    await postgres.stop();
    expect(isAlive(postgres.pid)).toBe(false);
    // Seen by the file that each start writes, and an orderly end removes; the port is anybody's by now.
    const pidFile = join(dataDir, 'postgres', 'postmaster.pid');
    if (existsSync(pidFile)) expect(isAlive(Number.parseInt(readFileSync(pidFile, 'utf8'), 10))).toBe(false);
    await (await start(dataDir)).stop();
  });
});

it('begins a new log when the old one is too long', async () => {
  const dataDir = sharedDataDir();
  const path = join(dataDir, 'postgres.log');
  writeFileSync(path, '');
  truncateSync(path, 11 * 1024 * 1024);
  await start(dataDir);
  expect(statSync(path).size).toBeLessThan(100_000);
  expect(statSync(`${path}.1`).size).toBe(11 * 1024 * 1024);
});
