import { access, constants, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { EmbeddedPostgresError } from './embedded-postgres-error.ts';
import { ifMissing } from './missing-file.ts';

/** SQLITE_BUSY: somebody else holds the lock. */
const busy = 5;

/** A `fleetlm doctor` that looks who holds it does so for less than a millisecond. */
const lockTimeoutMs = 100;

/**
 * Makes this process the only FleetLM on a data directory, until disposed or until the process ends.
 *
 * The lock is the one SQLite takes on its database file (fcntl; LockFileEx on Windows): the kernel gives it back
 * when the holder dies, however it dies. So there is no stale lock to take over, no race for one, and no pid that
 * may meanwhile belong to somebody else. The database itself stays empty. The pid file beside it is only for the
 * error message.
 *
 * The lock file is never removed: two processes could then each lock a file of that name.
 * Nothing else in this process may open it: closing any descriptor of a file drops its fcntl locks.
 */
export async function lockDataDir(dataDir: string): Promise<AsyncDisposable> {
  const pidFile = join(dataDir, 'fleetlm.pid');
  const lockFile = join(dataDir, 'fleetlm.lock');
  for (const path of [dataDir, lockFile]) await requireWritable(path, dataDir);
  const database = tryLock(dataDir, lockFile);
  if (database === undefined) {
    throw new EmbeddedPostgresError(
      `The data directory ${dataDir} is in use by another FleetLM (${await describeHolder(pidFile)}). ` +
        'Stop that one first, or give this one another data directory.',
    );
  }
  await writeFile(pidFile, `${process.pid} ${hostname()}\n`);
  return {
    async [Symbol.asyncDispose]() {
      await rm(pidFile, { force: true });
      database.close();
    },
  };
}

/**
 * The FleetLM that has locked a data directory, as "pid 42"; null: nobody has. A look takes a lock itself, for a moment,
 * which a start waits for.
 */
export async function findLockHolder(dataDir: string): Promise<string | null> {
  const lockFile = join(dataDir, 'fleetlm.lock');
  if ((await stat(lockFile).catch(ifMissing(undefined))) === undefined) return null;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(lockFile, { readOnly: true, timeout: 0 });
    database.exec('SELECT * FROM sqlite_schema');
    return null;
  } catch (error) {
    if (!isBusy(error)) throw error;
    return describeHolder(join(dataDir, 'fleetlm.pid'));
  } finally {
    database?.close();
  }
}

/**
 * SQLite opens a file that it may not write to for reading, and then its BEGIN EXCLUSIVE locks nothing; of a
 * directory it says only that it cannot open a file. Often one start as root is why.
 */
export async function requireWritable(path: string, dataDir: string): Promise<void> {
  const owner = (await stat(path).catch(ifMissing(undefined)))?.uid;
  const uid = process.geteuid?.();
  if (owner === undefined || uid === undefined || (await isWritable(path))) return;
  throw new EmbeddedPostgresError(
    owner === uid
      ? `FleetLM may not write to its own ${path}: run chmod u+w '${path}', or name another directory by FLEETLM_DATA_DIR.`
      : `${path} belongs to ${nameOf(owner)}, and this FleetLM runs as ${nameOf(uid)}. Start it as that user, name ` +
          `another directory by FLEETLM_DATA_DIR, or, as root, run: chown -R ${uid} '${dataDir}'`,
  );
}

function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}

function nameOf(uid: number): string {
  return uid === 0 ? 'root' : `user id ${uid}`;
}

function tryLock(dataDir: string, path: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: lockTimeoutMs });
    database.exec('BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database?.close();
    if (isBusy(error)) return undefined;
    throw new EmbeddedPostgresError(
      `Cannot lock ${path}: ${String(error)}. The directory ${dataDir} must be writable, its path shorter than ` +
        '500 bytes, and its file system must support locks.',
      { cause: error },
    );
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === busy;
}

/** The holder writes its pid just after it took the lock, so for a moment there may be none to read. */
async function describeHolder(pidFile: string): Promise<string> {
  const [pid, host] = (await readFile(pidFile, 'utf8').catch(() => '')).trim().split(' ');
  if (!pid) return 'pid unknown';
  return host === hostname() ? `pid ${pid}` : `pid ${pid} on host ${host}`;
}
