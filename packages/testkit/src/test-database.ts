import { randomBytes } from 'node:crypto';
import type { ConnectionTarget } from 'fleetlm';
import { Client } from 'pg';
import { inject } from 'vitest';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/** The migrated database that every test database is a copy of. */
export const templateDatabase = 'fleetlm_template';

/** A server's environment: the Postgres of the tests runs without fsync (`global-setup.ts`). */
export const acceptTestPostgres = { FLEETLM_ACCEPT_UNSAFE_POSTGRES: 'fsync' };

export interface TestDatabase extends AsyncDisposable {
  readonly target: ConnectionTarget;
  /** The same for `DATABASE_URL`. */
  readonly url: string;
  /** The database behind a network that a test can cut or silence. */
  behindProxy(): Promise<ProxiedDatabase>;
}

export interface ProxiedDatabase extends AsyncDisposable {
  readonly url: string;
  readonly network: TcpProxy;
}

/** A migrated, empty database of one's own. Disposing of it drops it, with every connection to it. */
export async function testDatabase(): Promise<TestDatabase> {
  const server = inject('postgres');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await administer(server, `create database ${name} template ${templateDatabase}`);
  const url = databaseUrl(server, name);
  return {
    target: { connectionString: url },
    url,
    behindProxy: () => proxyTo(server, name),
    [Symbol.asyncDispose]: () => administer(server, `drop database if exists ${name} with (force)`),
  };
}

async function administer(server: ConnectionTarget, statement: string): Promise<void> {
  const client = new Client(server);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function proxyTo(server: ConnectionTarget, database: string): Promise<ProxiedDatabase> {
  const { host, port, user, password } = new Client(server);
  const network = await startTcpProxy(host.startsWith('/') ? `${host}/.s.PGSQL.${port}` : port);
  const credentials = [user ?? '', password ?? ''].map(encodeURIComponent).join(':');
  return {
    url: `postgres://${credentials}@127.0.0.1:${network.port}/${database}`,
    network,
    [Symbol.asyncDispose]: () => network[Symbol.asyncDispose](),
  };
}

function databaseUrl(server: ConnectionTarget, database: string): string {
  if (server.connectionString !== undefined) {
    const url = new URL(server.connectionString);
    url.pathname = `/${database}`;
    return url.href;
  }
  const { host, port, user } = server;
  return `postgres://${encodeURIComponent(String(user))}@/${database}?host=${encodeURIComponent(String(host))}&port=${port}`;
}
