import { execFile } from 'node:child_process';
import { lstat } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { promisify } from 'node:util';
import { cacheRoots, copyToCache } from './binary-cache.ts';
import { type BinaryPackage, makeLinks } from './binary-package.ts';
import { EmbeddedPostgresError } from './embedded-postgres-error.ts';
import { errorCode, ifMissing } from './missing-file.ts';
import type { ServerAccount } from './server-account.ts';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly pgCtl: string;
  /** 18 of 18.4.0 */
  readonly major: number;
}

/** `--version` takes 10 ms; a first read from a slow network disk may take seconds. */
const probeTimeoutMs = 30_000;

/**
 * The programs, somewhere `account` can run them: in the package itself, or in a copy of it.
 * The proof is to run them as that account; it covers missing links, closed directories, file systems mounted
 * noexec and access lists alike.
 */
export async function prepareBinaries(
  source: BinaryPackage,
  account: ServerAccount | undefined,
  roots: readonly string[] = cacheRoots(),
): Promise<PostgresBinaries> {
  await makeLinks(source.dir).catch(ifReadOnly);
  const failures = [];
  for (const place of [() => source.dir, ...roots.map((root) => () => copyToCache(source, root))]) {
    try {
      return await probe(await place(), source.version, account);
    } catch (error) {
      if (error instanceof EmbeddedPostgresError) throw error; // a copy would be no better
      failures.push(error);
    }
  }
  throw new EmbeddedPostgresError(
    `Cannot run Postgres from ${source.dir}: ${failures.map(String).join('; ')}. ` +
      'Set DATABASE_URL to a Postgres server if this cannot be mended.',
    { cause: failures[0] },
  );
}

/** Then the links are made in a copy, if they are missing at all. */
function ifReadOnly(error: unknown): void {
  if (!['EACCES', 'EPERM', 'EROFS'].includes(String(errorCode(error)))) throw error;
}

async function probe(
  packageDir: string,
  version: string,
  account: ServerAccount | undefined,
): Promise<PostgresBinaries> {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const program = (name: string) => join(packageDir, 'native', 'bin', `${name}${suffix}`);
  const binaries = {
    initdb: program('initdb'),
    postgres: program('postgres'),
    pgCtl: program('pg_ctl'),
    major: Number.parseInt(version, 10),
  };
  await Promise.all([runVersion(binaries.postgres, account), runVersion(binaries.initdb, account)]);
  return binaries;
}

async function runVersion(program: string, account: ServerAccount | undefined): Promise<void> {
  try {
    const options = { ...account, cwd: parse(program).root, env: { LC_ALL: 'C' }, timeout: probeTimeoutMs };
    await promisify(execFile)(program, ['--version'], options);
  } catch (cause) {
    const code = errorCode(cause);
    // The file exists, so what is missing is the loader that it names: the one of glibc.
    if (code === 'ENOENT' && (await lstat(program).catch(ifMissing(undefined)))) {
      throw new EmbeddedPostgresError(
        'The embedded Postgres needs glibc, which this system (Alpine, or another with musl) lacks. ' +
          'Use an image with glibc, or set DATABASE_URL to a Postgres server.',
        { cause },
      );
    }
    if (code === 'EPERM' && account) {
      throw new EmbeddedPostgresError(
        `Postgres refuses to run as root, and FleetLM may not run it as user id ${account.uid}: that needs ` +
          'CAP_SETUID and CAP_SETGID. Grant them, start FleetLM as an ordinary user, or set DATABASE_URL.',
        { cause },
      );
    }
    throw cause;
  }
}
