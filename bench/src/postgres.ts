import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quietLog } from '@fleetlm/testkit';
import { type ConnectionTarget, startEmbeddedPostgres } from 'fleetlm';
import { Client } from 'pg';

/** The Postgres of a bench: the embedded one with its own settings, fsync included. */
export interface BenchPostgres extends AsyncDisposable {
  /** The postmaster. */
  readonly pid: number;
  readonly version: string;
  /** An empty database, for the server or for a peer. */
  createDatabase(name: string): Promise<BenchDatabase>;
}

export interface BenchDatabase {
  readonly target: ConnectionTarget;
  /** The same for `DATABASE_URL`. */
  readonly url: string;
}

/** Starts a Postgres on a directory that goes away with it. */
export async function startPostgres(): Promise<BenchPostgres> {
  await using resources = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), 'fleetlm-bench-'));
  resources.defer(() => rm(dataDir, { recursive: true, force: true }));
  const postgres = resources.use(await startEmbeddedPostgres({ dataDir, log: quietLog }));
  const [row] = await query<{ server_version: string }>(postgres.connection, 'show server_version');
  const owned = resources.move();
  return {
    pid: postgres.pid,
    version: row?.server_version ?? '',
    async createDatabase(name) {
      await query(postgres.connection, `drop database if exists ${name} with (force)`);
      await query(postgres.connection, `create database ${name}`);
      const target = { ...postgres.connection, database: name };
      const { user, host, port } = target;
      return { target, url: `postgres://${user}@/${name}?host=${encodeURIComponent(host)}&port=${port}` };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** One statement on a connection of its own. */
export async function query<Row extends object>(
  target: ConnectionTarget,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new Client(target);
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}
