import { execFile } from 'node:child_process';
import { readdir, readlink, realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { errorCode } from './missing-file.ts';

/**
 * Whether `pid` is a living Postgres process of this very cluster. A pid alone says little: after a restart of the
 * machine, or of a container, the number in a leftover file belongs to anybody.
 */
export async function servesCluster(pid: number, clusterDir: string): Promise<boolean> {
  if (process.platform !== 'linux') {
    const command = await commandLine(pid);
    return command.includes('postgres') && command.includes(clusterDir);
  }
  try {
    // The name may read "postgres (deleted)" after an upgrade.
    if (!basename(await readlink(`/proc/${pid}/exe`)).startsWith('postgres')) return false;
    // All processes of a server work inside their cluster.
    return (await readlink(`/proc/${pid}/cwd`)) === (await realpath(clusterDir));
  } catch (error) {
    // Gone or a zombie (ENOENT, ESRCH), or somebody else's (EACCES), while a cluster is served by its owner.
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(String(errorCode(error)))) return false;
    throw error;
  }
}

/** All Postgres processes of this cluster; on Linux only, elsewhere none are found. */
export async function findServers(clusterDir: string): Promise<number[]> {
  if (process.platform !== 'linux') return [];
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  const serving = await Promise.all(pids.map((pid) => servesCluster(pid, clusterDir)));
  return pids.filter((_, index) => serving[index]);
}

export function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** Empty when there is no such process: both commands then fail or print nothing. */
async function commandLine(pid: number): Promise<string> {
  const [program, args]: [string, string[]] =
    process.platform === 'win32'
      ? [
          'powershell.exe',
          [
            '-NoProfile',
            '-Command',
            `(Get-CimInstance Win32_Process -Filter "ProcessId=${pid}").CommandLine`,
          ],
        ]
      : ['/bin/ps', ['-ww', '-o', 'command=', '-p', String(pid)]];
  return promisify(execFile)(program, args).then(
    ({ stdout }) => stdout,
    () => '',
  );
}
