import { lstat, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { EmbeddedPostgresError } from './embedded-postgres-error.ts';
import { errorCode, ifMissing } from './missing-file.ts';
import { giveTo, type ServerAccount } from './server-account.ts';

export const socketPort = 5432;

/** A Unix socket's path holds 107 bytes on Linux and 103 on macOS; the data directory's is often longer. */
const maxSocketPathBytes = 103;

const prefix = 'fleetlm-pg-';

/**
 * A new directory for Postgres's socket. It belongs to Postgres's user, mode 0700, and Postgres trusts whoever
 * gets to the socket: that is its own user, who could read the data files as well, and root (us, if the two
 * differ). mkdtemp's name cannot be taken in advance by another user.
 */
export async function createSocketDir(account: ServerAccount | undefined): Promise<string> {
  const failures = [];
  for (const parent of parents()) {
    try {
      await requireUsable(parent, account);
      const directory = await mkdtemp(join(parent, prefix));
      await giveTo(directory, account);
      return directory;
    } catch (error) {
      failures.push(error);
    }
  }
  throw new EmbeddedPostgresError(
    `No place for Postgres's socket: ${failures.map(String).join('; ')}. Set TMPDIR to a short path such as /tmp.`,
  );
}

/** Before a restart: a cleaner of temporary files may have taken it, and then somebody else its name. */
export async function restoreSocketDir(directory: string, account: ServerAccount | undefined): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 });
    await giveTo(directory, account);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    if (!(await isOurs(directory, account))) {
      throw new EmbeddedPostgresError(
        `${directory}, the directory of Postgres's socket, belongs to somebody else.`,
      );
    }
  }
}

/** Removes what a killed FleetLM left, but only what createSocketDir can have made: the path comes from a file. */
export async function removeAbandonedSocketDir(
  directory: string,
  account: ServerAccount | undefined,
): Promise<void> {
  if (!parents().includes(dirname(directory)) || !basename(directory).startsWith(prefix)) return;
  if (await isOurs(directory, account)) await rm(directory, { recursive: true, force: true });
}

function parents(): readonly string[] {
  return [tmpdir(), '/tmp'];
}

async function requireUsable(parent: string, account: ServerAccount | undefined): Promise<void> {
  const path = join(parent, `${prefix}XXXXXX`, `.s.PGSQL.${socketPort}`);
  if (Buffer.byteLength(path) > maxSocketPathBytes) throw new Error(`${parent} is too long`);
  if (account && !(await isOpenToAll(parent))) throw new Error(`${parent} is not open to all users`);
}

async function isOurs(directory: string, account: ServerAccount | undefined): Promise<boolean> {
  const found = await lstat(directory).catch(ifMissing(undefined));
  return found?.isDirectory() === true && found.uid === (account?.uid ?? process.geteuid?.());
}

async function isOpenToAll(directory: string): Promise<boolean> {
  const { mode } = await stat(directory);
  if ((mode & 0o001) === 0) return false;
  return dirname(directory) === directory || isOpenToAll(dirname(directory));
}
