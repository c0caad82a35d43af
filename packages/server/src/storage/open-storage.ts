import type { Config } from '../config/config.ts';
import type { Log } from '../lib/log.ts';
import { checkServer } from './check-server.ts';
import type { ConnectionTarget } from './connection.ts';
import { startEmbeddedPostgres } from './embedded/embedded-postgres.ts';

/** A Postgres that answers. */
export interface Storage extends AsyncDisposable {
  readonly target: ConnectionTarget;
  /** Whether FleetLM runs it, or somebody else. */
  readonly isEmbedded: boolean;
}

/** The Postgres of `DATABASE_URL`, or, without one, the embedded Postgres, started. */
export async function openStorage(
  { url, dataDir, waitMs }: Config['database'],
  log: Log,
  signal?: AbortSignal,
): Promise<Storage> {
  if (url !== null) {
    const target = { connectionString: url };
    await checkServer(target, log, { waitMs, signal });
    return { target, isEmbedded: false, [Symbol.asyncDispose]: async () => {} };
  }
  const postgres = await startEmbeddedPostgres({ dataDir, log });
  return { target: postgres.connection, isEmbedded: true, [Symbol.asyncDispose]: () => postgres.stop() };
}
