import { readdir, readFile } from 'node:fs/promises';

/** CPU seconds that a process has used, with those of its children that have ended; null but on Linux. */
export async function cpuSecondsOf(pid: number): Promise<number | null> {
  const stat = await readStat(pid);
  return stat && (stat.ownTicks + stat.endedChildrenTicks) / ticksPerSecond;
}

/** The same of a process and all that it has started: a Postgres. */
export async function cpuSecondsOfTree(pid: number): Promise<number | null> {
  const root = await cpuSecondsOf(pid);
  if (root === null) return null;
  const stats = await Promise.all((await listProcesses()).map(readStat));
  const children = stats.filter((stat) => stat?.parent === pid);
  return children.reduce((sum, child) => sum + child!.ownTicks / ticksPerSecond, root);
}

/** USER_HZ, which Linux has kept at 100 for programs whatever its own clock is (proc(5)). */
const ticksPerSecond = 100;

async function listProcesses(): Promise<number[]> {
  return (await readdir('/proc')).map(Number).filter(Number.isInteger);
}

async function readStat(pid: number) {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  // Fields count from the state on: the name before it, in parentheses, may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [parent, user, system, childUser, childSystem] = [1, 11, 12, 13, 14].map((n) => Number(fields[n]));
  return { parent, ownTicks: user! + system!, endedChildrenTicks: childUser! + childSystem! };
}
