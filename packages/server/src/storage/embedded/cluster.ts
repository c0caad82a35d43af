import { mkdtemp, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { PostgresBinaries } from './binaries.ts';
import { EmbeddedPostgresError } from './embedded-postgres-error.ts';
import { type Launch, launch } from './launch.ts';
import { ifMissing } from './missing-file.ts';
import { giveTo, requireOwner, type ServerAccount } from './server-account.ts';

/** A database cluster: where it is, what runs it, as whom. */
export interface Cluster {
  readonly dir: string;
  readonly logFile: string;
  readonly account: ServerAccount | undefined;
  readonly binaries: PostgresBinaries;
}

export const superuser = 'postgres';

const draftPrefix = 'postgres.init-';

/**
 * The built-in provider's C.UTF-8 sorts alike on every system and ignores LANG, which when unset would give
 * SQL_ASCII. Trust is for the socket, whose directory is closed to others (socket-dir.ts); TCP asks for the
 * password. Checksums are Postgres's default since 18; said here because the data's safety hangs on it.
 */
const initArguments = [
  `--username=${superuser}`,
  '--encoding=UTF8',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--locale=C',
  '--data-checksums',
  '--auth-local=trust',
  '--auth-host=scram-sha-256',
];

/** Makes the cluster when there is none; refuses one that this Postgres cannot serve. */
export async function ensureCluster(cluster: Cluster, options: { readonly sync: boolean }): Promise<void> {
  const version = await readFile(join(cluster.dir, 'PG_VERSION'), 'utf8').catch(ifMissing(undefined));
  if (version === undefined) {
    await initCluster(cluster, options.sync);
  } else if (Number.parseInt(version, 10) !== cluster.binaries.major) {
    throw new EmbeddedPostgresError(
      `${cluster.dir} was made by Postgres ${version.trim()}, and this FleetLM brings Postgres ` +
        `${cluster.binaries.major}, which cannot read it. Dump it with pg_dump under Postgres ${version.trim()} ` +
        'and restore it here, set DATABASE_URL to a server that has it, or choose another data directory.',
    );
  } else {
    await requireOwner(cluster.dir, cluster.account);
  }
}

/**
 * Sets the superuser's password, in single-user mode: that needs no password yet, opens no port, and takes 35 ms.
 * Doing so at every start with TCP means that the password is nowhere but in the caller's configuration.
 */
export async function setPassword(cluster: Cluster, password: string): Promise<void> {
  await run('set the password', cluster, {
    program: cluster.binaries.postgres,
    // A failed statement must neither pass unnoticed nor be written to the log with the password in it.
    args: (dir) => [
      '--single',
      '-D',
      dir,
      '-c',
      'exit_on_error=on',
      '-c',
      'log_min_error_statement=panic',
      superuser,
    ],
    input: `ALTER ROLE ${superuser} PASSWORD '${password.replaceAll("'", "''")}'\n`,
  });
}

/**
 * initdb works in a directory of another name, renamed when complete: killed half-way, it leaves no cluster that
 * looks finished and never starts.
 */
async function initCluster(cluster: Cluster, sync: boolean): Promise<void> {
  const dataDir = dirname(cluster.dir);
  await requireEmpty(cluster.dir);
  await removeDrafts(dataDir);
  const draft = await mkdtemp(join(dataDir, draftPrefix));
  try {
    await giveTo(draft, cluster.account);
    await run(
      'make a database cluster',
      { ...cluster, dir: draft },
      {
        program: cluster.binaries.initdb,
        args: (dir) => ['-D', dir, ...initArguments, ...(sync ? [] : ['--no-sync'])],
      },
    );
    await rename(draft, cluster.dir);
    if (sync) await syncDirectory(dataDir);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

async function run(
  purpose: string,
  { dir, account, logFile }: Cluster,
  request: Pick<Launch, 'program' | 'args' | 'input'>,
): Promise<void> {
  const program = await launch({ ...request, clusterDir: dir, account, logFile });
  const { code, signal } = await program.exited;
  if (code === 0) return;
  throw new EmbeddedPostgresError(
    `Could not ${purpose}: ${request.program} ended with ${signal ?? code}. ${logFile} says:\n${await program.lastLines()}`,
  );
}

/** An empty directory may be a prepared mount point's child; anything else is not ours to overwrite. */
async function requireEmpty(directory: string): Promise<void> {
  const entries = await readdir(directory).catch(ifMissing([]));
  if (entries.length === 0) return;
  throw new EmbeddedPostgresError(
    `${directory} is neither empty nor a Postgres cluster (it has no PG_VERSION). ` +
      'Move it away, or choose another data directory.',
  );
}

/** An initdb whose FleetLM was killed may still be writing; it fails when its directory goes. */
async function removeDrafts(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    if (!name.startsWith(draftPrefix)) continue;
    await rm(join(dataDir, name), { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}

/** The rename itself must survive a power cut. Windows cannot open a directory, and need not. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  await using handle = await open(directory);
  await handle.sync();
}
