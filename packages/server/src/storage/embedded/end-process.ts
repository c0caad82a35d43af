import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { PostgresBinaries } from './binaries.ts';
import { EmbeddedPostgresError } from './embedded-postgres-error.ts';
import { errorCode } from './missing-file.ts';

export type Signal = 'SIGINT' | 'SIGQUIT' | 'SIGKILL';

/** Each step's signal, and how long it may take until the next. */
const steps: readonly { signal: Signal; waitMs: number }[] = [
  // Rolls back what is open and writes a checkpoint: 128 MB on a slow disk, and a third of the 30 s of our own drain.
  { signal: 'SIGINT', waitMs: 10_000 },
  // Ends at once and recovers at the next start; Postgres itself kills what remains of its children after 5 s.
  { signal: 'SIGQUIT', waitMs: 8_000 },
  // The kernel's answer to this is immediate, unless the disk hangs.
  { signal: 'SIGKILL', waitMs: 2_000 },
];

export interface EndProcessOptions {
  readonly binaries: PostgresBinaries;
  /** Waits for the end up to the given time. */
  readonly hasEnded: (waitMs: number) => Promise<boolean>;
  /** Where to begin; SIGINT by default. */
  readonly first?: Signal;
}

/** Ends a postmaster, or what is left of a server, gently first. */
export async function endProcess(pid: number, options: EndProcessOptions): Promise<void> {
  const { binaries, hasEnded, first = 'SIGINT' } = options;
  for (const { signal, waitMs } of steps.slice(steps.findIndex((step) => step.signal === first))) {
    if (await hasEnded(0)) return;
    await send(pid, signal, binaries);
    if (await hasEnded(waitMs)) return;
  }
  throw new EmbeddedPostgresError(`The Postgres process ${pid} does not end, not even by SIGKILL.`);
}

async function send(pid: number, signal: Signal, binaries: PostgresBinaries): Promise<void> {
  // Windows has no signals: Node would end the process on the spot, while Postgres listens for them on a pipe.
  if (process.platform === 'win32' && signal !== 'SIGKILL') {
    await promisify(execFile)(binaries.pgCtl, ['kill', signal.slice('SIG'.length), String(pid)]);
    return;
  }
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error; // it ended meanwhile
  }
}
