import { access, constants, readFile, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Config } from '../../config/config.ts';
import { locateBinaryPackage } from '../../storage/embedded/binary-package.ts';
import { findLockHolder, requireWritable } from '../../storage/embedded/data-dir-lock.ts';
import { findRunningPostgres } from '../../storage/embedded/running-postgres.ts';
import { type Check, checksOf } from './check.ts';
import { checkDatabase } from './database-checks.ts';

const { ok, warn, fail } = checksOf('data directory');

const mebibyte = 2 ** 20;
/** The log of changes alone may take a gigabyte before a checkpoint (`max_wal_size`). */
const comfortableBytes = 2_048 * mebibyte;
/** Postgres makes its log in files of 16 MiB; without room for some it stops. */
const fewestBytes = 256 * mebibyte;

/** The embedded Postgres and its data directory, also while a FleetLM runs on them. Starts nothing. */
export async function checkEmbeddedPostgres(config: Config): Promise<readonly Check[]> {
  const dataDir = resolve(config.database.dataDir);
  const existing = await findExisting(dataDir);
  if (!(await stat(existing)).isDirectory())
    return [fail(`${existing} is not a directory`, 'name one by FLEETLM_DATA_DIR')];
  const holder = existing === dataDir ? await findLockHolder(dataDir) : null;
  const { bavail, bsize } = await statfs(existing);
  return [
    holder === null
      ? await checkDirectory(dataDir, existing)
      : ok(`${dataDir} is in use by a FleetLM that runs (${holder}): a second one could not start on it`),
    judgeFreeSpace(bavail * bsize, dataDir),
    await checkBinaries(dataDir),
    ...(holder === null ? [] : await checkRunning(dataDir, config)),
  ];
}

/** How much may still be written. */
export function judgeFreeSpace(freeBytes: number, dataDir: string): Check {
  const finding = `${Math.floor(freeBytes / mebibyte)} MiB are free for ${dataDir}`;
  if (freeBytes < fewestBytes)
    return fail(finding, 'make room: without it Postgres stops, and nobody can send');
  return freeBytes < comfortableBytes ? warn(finding, 'make room, 2 GiB or more') : ok(finding);
}

async function checkDirectory(dataDir: string, existing: string): Promise<Check> {
  try {
    if (existing !== dataDir) {
      await access(existing, constants.W_OK | constants.X_OK);
      return ok(`${dataDir} will be made by the first start`);
    }
    for (const path of [dataDir, join(dataDir, 'fleetlm.lock')]) await requireWritable(path, dataDir);
    return ok(`${dataDir} can be written to, and nobody uses it now`);
  } catch (error) {
    return fail((error as Error).message, 'name a directory that FleetLM may write to by FLEETLM_DATA_DIR');
  }
}

/** The programs, and whether they can read what is there. */
async function checkBinaries(dataDir: string): Promise<Check> {
  try {
    const { version } = await locateBinaryPackage();
    const major = Number.parseInt(version, 10);
    const made = await readFile(join(dataDir, 'postgres', 'PG_VERSION'), 'utf8').catch(() => null);
    if (made === null || Number.parseInt(made, 10) === major)
      return ok(`Postgres ${major} comes with FleetLM`);
    return fail(
      `the data was made by Postgres ${made.trim()}, and Postgres ${major} comes with this FleetLM`,
      'dump it with the old version and restore it: docs/operations.md, “Upgrade and rollback”',
    );
  } catch (error) {
    return fail((error as Error).message, 'npm ci, without --omit=optional');
  }
}

async function checkRunning(dataDir: string, config: Config): Promise<readonly Check[]> {
  const target = await findRunningPostgres(join(dataDir, 'postgres'));
  if (target !== null) return checkDatabase(target, config);
  return [
    warn('its Postgres cannot be looked into from here', 'run doctor as the same user, once it has started'),
  ];
}

/** The directory itself, or the nearest above it that exists. */
async function findExisting(path: string): Promise<string> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  return isThere || dirname(path) === path ? path : findExisting(dirname(path));
}
