import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { superuser } from './cluster.ts';
import type { ServerAccount } from './server-account.ts';
import { createSocketDir, restoreSocketDir, socketPort } from './socket-dir.ts';

/** For `pg`: `host` is the directory of a Unix socket, or 127.0.0.1. */
export interface EmbeddedPostgresConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string;
  readonly database: 'postgres';
}

/** Where a postmaster listens. It stays the same over restarts. */
export interface Endpoint extends AsyncDisposable {
  readonly connection: EmbeddedPostgresConnection;
  readonly settings: Readonly<Record<string, string>>;
  /** Call before each start. */
  restore(): Promise<void>;
}

export async function openTcpEndpoint(tcp: { password: string; port?: number }): Promise<Endpoint> {
  const port = tcp.port ?? (await findFreePort());
  return {
    connection: { host: '127.0.0.1', port, user: superuser, password: tcp.password, database: 'postgres' },
    settings: { listen_addresses: '127.0.0.1', port: String(port), unix_socket_directories: '' },
    async restore() {},
    async [Symbol.asyncDispose]() {},
  };
}

export async function openSocketEndpoint(account: ServerAccount | undefined): Promise<Endpoint> {
  const host = await createSocketDir(account);
  return {
    connection: { host, port: socketPort, user: superuser, database: 'postgres' },
    // Quoted, since the setting is a list separated by commas.
    settings: {
      listen_addresses: '',
      port: String(socketPort),
      unix_socket_directories: `"${host.replaceAll('"', '""')}"`,
    },
    restore: () => restoreSocketDir(host, account),
    [Symbol.asyncDispose]: () => rm(host, { recursive: true, force: true }),
  };
}

/** Somebody may take it before Postgres does; the start then fails and says so. */
async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a port');
  return address.port;
}
