import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionTarget } from 'fleetlm';
import { killAll, processesIn } from './processes.ts';

/** A FLEETLM_DATA_DIR, and a look at the embedded Postgres in it from outside. */
export interface DataDir extends AsyncDisposable {
  readonly path: string;
  /** The postmaster, by its own file; null while there is none. */
  postmasterPid(): Promise<number | null>;
  /** How to reach the Postgres that runs now, as its superuser. */
  connection(): Promise<ConnectionTarget>;
  /** Every process of the Postgres. Linux only. */
  processes(): Promise<number[]>;
}

/** An empty data directory. Disposing of it kills what still runs in it, and removes it. */
export async function temporaryDataDir(): Promise<DataDir> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'fleetlm-data-')));
  const cluster = join(path, 'postgres');
  const processes = () => processesIn(cluster);
  return {
    path,
    processes,
    postmasterPid: async () => (await readPostmasterFile(cluster))?.pid ?? null,
    async connection() {
      const file = await readPostmasterFile(cluster);
      if (file === null) throw new Error(`no Postgres runs in ${cluster}`);
      return { host: file.socketDir, port: file.port, user: 'postgres', database: 'postgres' };
    },
    async [Symbol.asyncDispose]() {
      await killAll(await processes());
      // A Postgres that was killed leaves the directory of its socket.
      const socketDir = (await readPostmasterFile(cluster))?.socketDir;
      if (socketDir) await rm(socketDir, { recursive: true, force: true });
      await rm(path, { recursive: true, force: true });
    },
  };
}

async function readPostmasterFile(cluster: string) {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => null);
  if (text === null) return null;
  const [pid, , , port, socketDir = ''] = text.split('\n');
  return { pid: Number(pid), port: Number(port), socketDir };
}
