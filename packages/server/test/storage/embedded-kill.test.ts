import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { lockDataDir } from '../../src/storage/embedded/data-dir-lock.ts';
import { EmbeddedPostgresError } from '../../src/storage/embedded/embedded-postgres-error.ts';
import {
  end,
  isAlive,
  query,
  recordLog,
  sharedDataDir,
  spawnChild,
  start,
  startChild,
  temporaryDirectory,
} from './embedded-fixture.ts';

describe('after kill -9 of FleetLM', () => {
  it('ends the Postgres that it left behind, and keeps what was committed', async () => {
    const dataDir = sharedDataDir();
    const child = await startChild(dataDir);
    await query(child.connection, 'CREATE TABLE kept_by_one AS SELECT 42 AS answer');
    await end(child.process, 'SIGKILL');
    expect(isAlive(child.pid)).toBe(true);

    const { log, lines } = recordLog();
    const postgres = await start(dataDir, { log });
    expect(isAlive(child.pid)).toBe(false);
    expect(existsSync(String(child.connection.host))).toBe(false);
    expect(await query(postgres.connection, 'SELECT answer FROM kept_by_one')).toEqual([{ answer: 42 }]);
    expect(lines.map(({ message }) => message)).toContain(
      'stopping the embedded Postgres of a FleetLM that was killed',
    );
  });

  it('starts when Postgres was killed as well', async () => {
    const dataDir = sharedDataDir();
    const child = await startChild(dataDir);
    await query(child.connection, 'CREATE TABLE kept_by_both AS SELECT 42 AS answer');
    // A backend that is busy does not notice that its postmaster is gone.
    const busy = query(child.connection, 'SELECT count(*) FROM generate_series(1, 1e12)').catch(String);
    const running = "SELECT FROM pg_stat_activity WHERE query ~ '1e12' AND pid <> pg_backend_pid()";
    await vi.waitUntil(async () => (await query(child.connection, running)).length === 1);
    await end(child.process, 'SIGKILL');
    process.kill(child.pid, 'SIGKILL');

    const postgres = await start(dataDir);
    expect(await query(postgres.connection, 'SELECT answer FROM kept_by_both')).toEqual([{ answer: 42 }]);
    expect(await busy).toContain('terminat');
  });

  it('makes a new cluster when the first was half made', async () => {
    const dataDir = temporaryDirectory();
    const child = spawnChild(dataDir);
    const draft = () => readdirSync(dataDir).find((name) => name.startsWith('postgres.init-')) ?? 'none';
    await vi.waitUntil(() => existsSync(join(dataDir, draft(), 'PG_VERSION')), {
      interval: 5,
      timeout: 10_000,
    });
    await end(child, 'SIGKILL');
    expect(existsSync(join(dataDir, 'postgres'))).toBe(false);

    const { connection } = await start(dataDir);
    expect(await query(connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(draft()).toBe('none');
  });
});

it('outlives a Ctrl-C in the terminal, which signals the whole process group', async () => {
  const dataDir = sharedDataDir();
  const child = await startChild(dataDir);
  const exit = once(child.process, 'exit');
  process.kill(-child.process.pid!, 'SIGINT');
  await exit;
  expect(await query(child.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  await (await start(dataDir)).stop();
});

describe('a pid that is not a postmaster of this cluster', () => {
  it.each(['another process', 'nobody'])('does not block, nor is it harmed: it is of %s', async (owner) => {
    const dataDir = sharedDataDir();
    await (await start(dataDir)).stop();
    const cluster = join(dataDir, 'postgres');
    // Of Postgres's own user: Postgres by itself ignores the processes of others.
    const { uid, gid } = statSync(cluster);
    const bystander = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { uid, gid, cwd: '/' });
    onTestFinished(() => void bystander.kill('SIGKILL'));
    const pid = owner === 'nobody' ? 2 ** 22 + 1 : bystander.pid;
    const stale = `${pid}\n${cluster}\n1\n5432\n/tmp/fleetlm-pg-none\n\n  1 1\nready   \n`;
    writeFileSync(join(cluster, 'postmaster.pid'), stale);

    const { connection } = await start(dataDir);
    expect(await query(connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(isAlive(bystander.pid!)).toBe(true);
  });

  it('is left alone when it is a postmaster of another one', async () => {
    const [dataDir, otherDir] = [sharedDataDir(), temporaryDirectory()];
    const other = await start(otherDir);
    const files = [otherDir, dataDir].map((dir) => join(dir, 'postgres', 'postmaster.pid'));
    writeFileSync(files[1]!, readFileSync(files[0]!, 'utf8').replaceAll(other.connection.host, '/nowhere'));
    await start(dataDir);
    expect(await query(other.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });
});

describe('the lock', () => {
  it('keeps a second FleetLM out, naming the directory and the holder', async () => {
    const dataDir = sharedDataDir();
    const child = await startChild(dataDir);
    const second = start(dataDir);
    await expect(second).rejects.toThrow(EmbeddedPostgresError);
    await expect(second).rejects.toThrow(
      `${dataDir} is in use by another FleetLM (pid ${child.process.pid})`,
    );
    expect(await query(child.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);

    await end(child.process, 'SIGTERM');
    expect(isAlive(child.pid)).toBe(false);
    await start(dataDir);
  });

  it('keeps a second one in the same process out', async () => {
    const dataDir = sharedDataDir();
    const first = await start(dataDir);
    await expect(start(dataDir)).rejects.toThrow(`pid ${process.pid}`);
    expect(await query(first.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('of a holder that was killed goes to exactly one of those who race for it', async () => {
    const dataDir = temporaryDirectory();
    const child = spawnChild(dataDir);
    const pidFile = join(dataDir, 'fleetlm.pid');
    const holder = () => (existsSync(pidFile) ? readFileSync(pidFile, 'utf8') : '');
    await vi.waitUntil(() => holder().endsWith('\n'), { interval: 5, timeout: 10_000 });
    await expect(lockDataDir(dataDir)).rejects.toThrow(`pid ${child.pid}`);
    await end(child, 'SIGKILL');

    const racers = await Promise.allSettled(Array.from({ length: 8 }, () => lockDataDir(dataDir)));
    const winners = racers.filter((racer) => racer.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    await winners[0]?.value[Symbol.asyncDispose]();
    await using _ = await lockDataDir(dataDir);
  });

  it('does not care for files that a crash of the machine left', async () => {
    const dataDir = temporaryDirectory();
    writeFileSync(join(dataDir, 'fleetlm.lock'), '');
    writeFileSync(join(dataDir, 'fleetlm.pid'), `${process.ppid} elsewhere\n`);
    await using _ = await lockDataDir(dataDir);
  });

  it('says so when it cannot be taken at all', async () => {
    const dataDir = temporaryDirectory();
    mkdirSync(join(dataDir, 'fleetlm.lock'));
    await expect(lockDataDir(dataDir)).rejects.toThrow('Cannot lock');
    rmSync(join(dataDir, 'fleetlm.lock'), { recursive: true });
  });
});
