import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { parse } from 'node:path';
import type { ServerAccount } from './server-account.ts';
import { lastLines, openServerLog } from './server-log.ts';

export interface Launch {
  readonly program: string;
  /** Given the path by which the program reaches the cluster directory. */
  readonly args: (clusterDir: string) => readonly string[];
  readonly clusterDir: string;
  readonly account: ServerAccount | undefined;
  readonly logFile: string;
  readonly input?: string;
  readonly detached?: boolean;
}

export interface ProgramExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningProgram {
  readonly pid: number;
  readonly exited: Promise<ProgramExit>;
  /** What it wrote to the log so far, at most a screenful. */
  lastLines(): Promise<string>;
}

/**
 * Nothing of our own environment: it holds secrets, another user may run the program, and PG* variables would
 * change what it does. A valid LC_ALL keeps Postgres on macOS single-threaded while it starts. (On Windows Node
 * adds the variables that a process cannot do without.)
 */
const environment = { LC_ALL: 'C' };

/**
 * Starts one of Postgres's programs on a cluster directory, with its output in the log file.
 *
 * Under another account (we are root) the program may have no way to the cluster: `/root/app/.fleetlm` lies below
 * a directory that only root may enter. Opening up root's home is not ours to do, and a cluster somewhere else
 * would be lost with a container whose volume is mounted at the data directory. So on Linux the program inherits
 * the open directory and is told to use `/proc/self/fd/3`: following that link needs no right to any directory
 * above. Postgres only forks, never executes itself again, so all its processes keep the descriptor; initdb's
 * children inherit it. Elsewhere the path must be one that the account can reach.
 */
export async function launch(request: Launch): Promise<RunningProgram> {
  const { program, clusterDir, account, logFile, input } = request;
  await using resources = new AsyncDisposableStack();
  const log = resources.use(await openServerLog(logFile));
  const inherited =
    account && process.platform === 'linux' ? resources.use(await open(clusterDir)) : undefined;
  const child = spawn(program, request.args(inherited ? '/proc/self/fd/3' : clusterDir), {
    ...account,
    cwd: parse(clusterDir).root,
    env: environment,
    detached: request.detached ?? false,
    windowsHide: true,
    stdio: [input === undefined ? 'ignore' : 'pipe', log.fd, log.fd, ...(inherited ? [inherited.fd] : [])],
  });
  const exited = new Promise<ProgramExit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  await once(child, 'spawn');
  child.stdin?.on('error', () => {}); // it ended early: `exited` tells
  child.stdin?.end(input);
  return { pid: child.pid!, exited, lastLines: () => lastLines(logFile, log.startsAtByte) };
}
