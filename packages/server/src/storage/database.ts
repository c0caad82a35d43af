import type { Socket } from 'node:net';
import { Kysely, PostgresDialect } from 'kysely';
import { Pool, type PoolClient, type QueryResult } from 'pg';
import type { Log } from '../lib/log.ts';
import { type ConnectionTarget, rawJsonTypes, toClientConfig } from './connection.ts';
import { lookupPlans } from './lookup-plans.ts';
import type { Database } from './schema.ts';

/** A hand-written statement: prepared once per connection under its name. */
interface NamedStatement {
  readonly name: string;
  readonly text: string;
}

/** What a pool has now. */
interface PoolCounts {
  readonly total: number;
  readonly idle: number;
  /** Queries that wait for a connection. */
  readonly waiting: number;
}

export interface Db {
  /** For ordinary queries. */
  readonly kysely: Kysely<Database>;
  /** A hand-written statement on any connection of the pool; JSON columns come as texts. */
  query<Row extends object>(statement: NamedStatement, values: readonly unknown[]): Promise<Row[]>;
  /** A method, so that whoever wraps a `Db` by copying it keeps it alive. */
  countConnections(): PoolCounts;
  close(): Promise<void>;
}

/** Pages are read in the order of an index, up to their limit: a bitmap would be of all, and to be sorted. */
const readPlans = { ...lookupPlans, enable_bitmapscan: 'off' };
/** No query of a request takes this long unless something is stuck; then its caller should hear of it. */
const statementTimeoutMs = 5_000;
/** Postgres answers within its own time-out, or the connection to it is lost, which TCP does not tell for minutes. */
const answerTimeoutMs = statementTimeoutMs + 1_000;
/** Postgres hangs up at once when it is told goodbye; one that is stuck, or out of reach, never does. */
const goodbyeMs = 1_000;

/** Opens the pool for everything but appends. Connections are made when they are needed. */
export function openDatabase(target: ConnectionTarget, poolSize: number, log: Log): Db {
  const pool = new Pool({
    ...toClientConfig(target, 'fleetlm', readPlans),
    max: poolSize,
    statement_timeout: statementTimeoutMs,
    pipeline: true,
    idle_in_transaction_session_timeout: statementTimeoutMs,
  });
  // The pool replaces a lost connection; without a listener its error would end the process. The pool listens
  // only to those that are idle, Kysely to none: an error between a query's request and its answer hits nobody.
  const connections = new Map<PoolClient, Promise<void>>();
  pool.on('connect', (client) => {
    client.on('error', (error) => log.warn({ err: error }, 'database connection lost'));
    const { promise, resolve } = Promise.withResolvers<void>();
    connections.set(client, promise);
    client.once('end', () => {
      connections.delete(client);
      resolve();
    });
  });
  pool.on('error', () => {});
  cutSilent(pool);
  const kysely = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  return {
    kysely,
    query: async <Row extends object>(statement: NamedStatement, values: readonly unknown[]) => {
      const result: QueryResult<Row> = await pool.query({
        ...statement,
        values: [...values],
        types: rawJsonTypes,
      });
      return result.rows;
    },
    countConnections: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    close: async () => {
      await kysely.destroy();
      // Kysely ends the pool only when it has made a query of its own.
      if (!pool.ended) await pool.end();
      await untilClosed(connections);
    },
  };
}

/**
 * Cuts a connection on which nothing comes or goes while somebody uses it: whoever waits gets an error, and the pool
 * makes another. pg's `query_timeout` does so too, but with it each query ends up in V8's old generation, its result
 * included: 2 KB and more (measured), which only a full collection gets back.
 */
function cutSilent(pool: Pool): void {
  const inUse = new Set<PoolClient>();
  pool.on('connect', (client) => {
    const stream = client.connection.stream as Socket;
    stream.setTimeout(answerTimeoutMs);
    stream.on('timeout', () => {
      if (inUse.has(client)) stream.destroy(new Error('Postgres does not answer'));
    });
  });
  pool.on('acquire', (client) => inUse.add(client));
  pool.on('release', (_error, client) => inUse.delete(client));
}

/** The pool does not wait for its connections to end: one that is left open would keep the process alive. */
async function untilClosed(connections: ReadonlyMap<PoolClient, Promise<void>>): Promise<void> {
  const cut = setTimeout(() => {
    for (const { connection } of connections.keys()) connection.stream.destroy();
  }, goodbyeMs);
  await Promise.all(connections.values());
  clearTimeout(cut);
}
