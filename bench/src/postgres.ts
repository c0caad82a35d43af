import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quietLog } from '@fleetlm/testkit';
import { type ConnectionTarget, startEmbeddedPostgres } from 'fleetlm';
import { Client } from 'pg';

/**
 * The Postgres of a bench: the embedded one with its own settings, fsync included. Ending it twice does no
 * harm.
 */
export interface BenchPostgres extends AsyncDisposable {
  /** The postmaster; null when it is somebody else's. */
  readonly pid: number | null;
  /** Version, and what a commit waits for. */
  readonly description: string;
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
  const { connection, pid } = resources.use(await startEmbeddedPostgres({ dataDir, log: quietLog }));
  const description = await describe(connection);
  const owned = resources.move();
  let ending: Promise<void> | null = null;
  return {
    pid,
    description,
    createDatabase: (name) => createDatabase(connection, `bench_${name}`),
    [Symbol.asyncDispose]() {
      ending ??= owned.disposeAsync();
      return ending;
    },
  };
}

/** Leaves what was filled in as a server finds it that has run for long. */
export const vacuum = 'vacuum (analyze) participants, chat_sessions, session_members, chat_messages';

/** One statement on a connection of its own. */
export function query<Row extends object>(
  target: ConnectionTarget,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return withClient(target, async (client) => (await client.query<Row>(text, values)).rows);
}

/** Some work on a connection of its own. */
export async function withClient<Result>(
  target: ConnectionTarget,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = new Client(target);
  // A Postgres that ends while somebody waits says so twice: to the statement, and here.
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function describe(target: ConnectionTarget): Promise<string> {
  const names = ['server_version', 'fsync', 'synchronous_commit'];
  const settings = await query<{ setting: string }>(
    target,
    'select current_setting(name) as setting from unnest($1::text[]) name',
    [names],
  );
  const [version, fsync, synchronousCommit] = settings.map(({ setting }) => setting);
  return `${version}, on the same machine, fsync ${fsync}, synchronous_commit ${synchronousCommit}`;
}

async function createDatabase(connection: ConnectionTarget, name: string): Promise<BenchDatabase> {
  await query(connection, `drop database if exists ${name} with (force)`);
  await query(connection, `create database ${name}`);
  const target = { ...connection, database: name };
  const { user, host, port } = new Client(target);
  return { target, url: `postgres://${user}@/${name}?host=${encodeURIComponent(host)}&port=${port}` };
}
