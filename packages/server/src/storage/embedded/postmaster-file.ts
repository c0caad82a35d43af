import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ifMissing } from './missing-file.ts';

/** What `postmaster.pid` tells (Postgres: src/include/utils/pidfile.h). */
export interface PostmasterFile {
  readonly pid: number;
  readonly socketDir: string | undefined;
  readonly isReady: boolean;
}

export function postmasterFilePath(clusterDir: string): string {
  return join(clusterDir, 'postmaster.pid');
}

/** Undefined when there is none, or one that is just being written. */
export async function readPostmasterFile(clusterDir: string): Promise<PostmasterFile | undefined> {
  const text = await readFile(postmasterFilePath(clusterDir), 'utf8').catch(ifMissing(''));
  const lines = text.split('\n').map((line) => line.trim());
  const pid = Math.abs(Number(lines[0])); // negative: a single-user Postgres
  if (!Number.isSafeInteger(pid) || pid < 2) return undefined;
  return { pid, socketDir: lines[4] || undefined, isReady: lines[7] === 'ready' };
}
