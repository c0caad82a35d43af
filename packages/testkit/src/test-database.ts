import { randomBytes } from 'node:crypto';
import type { ConnectionTarget } from 'fleetlm';
import { Client } from 'pg';
import { inject } from 'vitest';

/** The migrated database that every test database is a copy of. */
export const templateDatabase = 'fleetlm_template';

export interface TestDatabase extends AsyncDisposable {
  readonly target: ConnectionTarget;
  /** The same for `DATABASE_URL`. */
  readonly url: string;
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

function databaseUrl(server: ConnectionTarget, database: string): string {
  if (server.connectionString !== undefined) {
    const url = new URL(server.connectionString);
    url.pathname = `/${database}`;
    return url.href;
  }
  const { host, port, user } = server;
  return `postgres://${encodeURIComponent(String(user))}@/${database}?host=${encodeURIComponent(String(host))}&port=${port}`;
}
