import { superuser } from './cluster.ts';
import type { EmbeddedPostgresConnection } from './endpoint.ts';
import { readPostmasterFile } from './postmaster-file.ts';
import { socketPort } from './socket-dir.ts';

/**
 * How to reach a Postgres that another FleetLM has started on this cluster: by its socket, as the same user or as root.
 * Null: it runs no more, or not yet, or listens on TCP with a password that only that FleetLM knows.
 */
export async function findRunningPostgres(clusterDir: string): Promise<EmbeddedPostgresConnection | null> {
  const file = await readPostmasterFile(clusterDir).catch(() => undefined);
  if (!file?.isReady || file.socketDir === undefined) return null;
  return { host: file.socketDir, port: socketPort, user: superuser, database: 'postgres' };
}
