import { rm } from 'node:fs/promises';
import type { Log } from '../../lib/log.ts';
import type { Cluster } from './cluster.ts';
import { endProcess, type Signal } from './end-process.ts';
import { poll } from './poll.ts';
import { postmasterFilePath, readPostmasterFile } from './postmaster-file.ts';
import { findServers, processExists, servesCluster } from './process-identity.ts';

/**
 * Ends what an earlier run left of a server (its FleetLM or its postmaster was killed), and clears away what would
 * keep a new one from starting. A living postmaster is not reused: its settings and its socket belong to the
 * FleetLM that is gone. Call under the lock only.
 */
export async function endPreviousPostmaster(cluster: Cluster, log: Log): Promise<void> {
  const { dir } = cluster;
  const found = await readPostmasterFile(dir);
  if (found && (await servesCluster(found.pid, dir))) {
    log.warn(
      { pid: found.pid, cluster_dir: dir },
      'stopping the embedded Postgres of a FleetLM that was killed',
    );
    await end(found.pid, cluster);
  } else if (found && processExists(found.pid)) {
    // The pid is another process's by now, and Postgres would wait for that one to end. When no such process
    // exists the file stays: Postgres then makes sure itself that no orphaned backend uses the cluster.
    log.debug({ pid: found.pid, cluster_dir: dir }, 'removing a stale postmaster.pid');
    await rm(postmasterFilePath(dir), { force: true });
  }
  await endOrphans(cluster, log);
}

/**
 * Backends of a killed postmaster end when they next wait for something; one in a long query goes on, and no new
 * postmaster starts before its end. They get the signal that a living postmaster sends after a crash.
 */
async function endOrphans(cluster: Cluster, log: Log): Promise<void> {
  const pids = await findServers(cluster.dir);
  if (pids.length === 0) return;
  log.warn({ pids, cluster_dir: cluster.dir }, 'ending processes of an embedded Postgres that was killed');
  await Promise.all(pids.map((pid) => end(pid, cluster, 'SIGQUIT')));
}

async function end(pid: number, { dir, binaries }: Cluster, first?: Signal): Promise<void> {
  const hasEnded = (waitMs: number) => poll(async () => !(await servesCluster(pid, dir)), waitMs);
  await endProcess(pid, { binaries, hasEnded, ...(first && { first }) });
}
