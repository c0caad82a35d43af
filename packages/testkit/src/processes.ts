import { readdir, readFile, readlink } from 'node:fs/promises';
import { waitUntil } from './wait-until.ts';

/** Whether a process runs; one that has ended and only waits for its parent to ask does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await readStat(pid);
  if (stat !== null) return stat.state !== 'Z';
  if (process.platform === 'linux') return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The processes that `pid` has started, and theirs. On Linux only, elsewhere none are found. */
export async function descendantsOf(pid: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const candidate of await listProcesses()) {
    const stat = await readStat(candidate);
    if (stat !== null) parents.set(candidate, stat.parent);
  }
  const family = new Set([pid]);
  for (let size = 0; size < family.size; ) {
    size = family.size;
    for (const [child, parent] of parents) if (family.has(parent)) family.add(child);
  }
  family.delete(pid);
  return [...family];
}

/** The processes whose working directory is `directory`: all those of a Postgres, in its cluster. Linux only. */
export async function processesIn(directory: string): Promise<number[]> {
  const pids = await listProcesses();
  const directories = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')));
  return pids.filter((_, index) => directories[index] === directory);
}

/** Kills processes outright, and waits until none of them is left. */
export async function killAll(pids: readonly number[]): Promise<void> {
  for (const pid of pids) sendSignal(pid, 'SIGKILL');
  for (const pid of pids) {
    await waitUntil(async () => !(await isAlive(pid)), { what: `the end of process ${pid} after SIGKILL` });
  }
}

/** Sends a signal; to a process that is gone it does nothing. A negative pid is a process group. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

async function listProcesses(): Promise<number[]> {
  if (process.platform !== 'linux') return [];
  return (await readdir('/proc')).map(Number).filter(Number.isInteger);
}

async function readStat(pid: number): Promise<{ state: string; parent: number } | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  // The name, in parentheses, may hold anything.
  const [state = '', parent] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state, parent: Number(parent) };
}
