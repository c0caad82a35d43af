import type { Cluster } from './cluster.ts';
import { EmbeddedPostgresError } from './embedded-postgres-error.ts';
import { endProcess } from './end-process.ts';
import type { Endpoint } from './endpoint.ts';
import { launch, type ProgramExit, type RunningProgram } from './launch.ts';
import { poll } from './poll.ts';
import { readPostmasterFile } from './postmaster-file.ts';
import { serverArguments } from './settings.ts';

/** A running postmaster, ready for connections. */
export interface Postmaster {
  readonly pid: number;
  readonly exited: Promise<ProgramExit>;
  stop(): Promise<void>;
}

export interface PostmasterOptions {
  readonly cluster: Cluster;
  readonly endpoint: Endpoint;
  readonly settings: Readonly<Record<string, string>>;
}

/** A start takes 40 ms; replaying a full gigabyte of log after a crash takes most of a minute on a slow disk. */
const readyTimeoutMs = 60_000;

/** Starts a postmaster and waits until it accepts connections. Aborting ends it again. */
export async function startPostmaster(options: PostmasterOptions, signal: AbortSignal): Promise<Postmaster> {
  const { cluster, endpoint, settings } = options;
  await endpoint.restore();
  const program = await launch({
    program: cluster.binaries.postgres,
    args: (dir) => serverArguments(dir, endpoint, settings),
    clusterDir: cluster.dir,
    account: cluster.account,
    logFile: cluster.logFile,
    // Its own process group: Ctrl-C in the terminal reaches FleetLM alone, which still needs Postgres to drain.
    detached: true,
  });
  const hasEnded = (waitMs: number) => endsWithin(program, waitMs);
  const stop = () => endProcess(program.pid, { binaries: cluster.binaries, hasEnded });
  try {
    await untilReady(program, cluster, signal);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: program.pid, exited: program.exited, stop };
}

async function untilReady(program: RunningProgram, cluster: Cluster, signal: AbortSignal): Promise<void> {
  let exit: ProgramExit | undefined;
  void program.exited.then((value) => {
    exit = value;
  });
  const isReady = async () => {
    const file = await readPostmasterFile(cluster.dir);
    return file?.pid === program.pid && file.isReady;
  };
  const settled = await poll(
    async () => exit !== undefined || signal.aborted || (await isReady()),
    readyTimeoutMs,
  );
  signal.throwIfAborted();
  if (settled && exit === undefined) return;
  const what = exit
    ? `ended with ${exit.signal ?? exit.code}`
    : `is not ready after ${readyTimeoutMs / 1000} s`;
  throw new EmbeddedPostgresError(
    `Could not start Postgres on ${cluster.dir}: it ${what}. ${cluster.logFile} says:\n${await program.lastLines()}`,
  );
}

async function endsWithin(program: RunningProgram, waitMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(resolve, waitMs, false);
  const ended = await Promise.race([program.exited.then(() => true), promise]);
  clearTimeout(timer);
  return ended;
}
