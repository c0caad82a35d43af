import { chmod, cp, lstat, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { type BinaryPackage, makeLinks } from './binary-package.ts';
import { errorCode, ifMissing } from './missing-file.ts';

/**
 * Where a copy of the programs may live, best first. Root's is one that other users can read; a temporary
 * directory comes last, since cleaners empty it under a running server.
 */
export function cacheRoots(): readonly string[] {
  const uid = process.geteuid?.() ?? 'user';
  const temporary = join(tmpdir(), `fleetlm-cache-${uid}`);
  if (uid === 0) return ['/var/cache/fleetlm', temporary];
  const home = homeDirectory();
  return home === undefined ? [temporary] : [join(home, '.cache', 'fleetlm'), temporary];
}

/** @returns the directory of the copy, laid out as the package is */
export async function copyToCache(source: BinaryPackage, root: string): Promise<string> {
  await claimDirectory(root);
  const copy = join(root, `postgres-${source.version}-${basename(source.dir)}`);
  if (await lstat(copy).catch(ifMissing(undefined))) return copy;

  // Made complete under another name first: nobody ever sees half a copy, and of two that copy at once one wins.
  const draft = await mkdtemp(join(root, 'draft-'));
  try {
    const options = { recursive: true, verbatimSymlinks: true, filter: isNeeded };
    await cp(join(source.dir, 'native'), join(draft, 'native'), options);
    await openUp(draft);
    await makeLinks(draft);
    await rename(draft, copy).catch(ifCopiedMeanwhile);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return copy;
}

/** Fails without a home: neither HOME nor an entry in the passwd file. */
function homeDirectory(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}

/** Whoever can write here can make us run a program of theirs, so somebody else's directory will not do. */
async function claimDirectory(root: string): Promise<void> {
  await mkdir(dirname(root), { recursive: true });
  try {
    await mkdir(root);
    await chmod(root, 0o755);
    return;
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
  const found = await lstat(root);
  const ours = process.geteuid === undefined || (found.uid === process.geteuid() && !(found.mode & 0o022));
  if (!found.isDirectory() || !ours) {
    throw new Error(`${root} is not a directory that only user id ${process.geteuid?.()} can write to`);
  }
}

/** Static libraries are for compiling against. */
function isNeeded(path: string): boolean {
  return !path.endsWith('.a');
}

/** The package may have been installed under a umask that closes it to others, or write-protected. */
async function openUp(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const executable = entry.isDirectory() || basename(entry.parentPath) === 'bin';
    await chmod(join(entry.parentPath, entry.name), executable ? 0o755 : 0o644);
  }
}

function ifCopiedMeanwhile(error: unknown): void {
  if (!['EEXIST', 'ENOTEMPTY', 'EPERM'].includes(String(errorCode(error)))) throw error;
}
