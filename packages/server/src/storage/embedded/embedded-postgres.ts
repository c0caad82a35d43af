import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Log } from '../../lib/log.ts';
import { prepareBinaries } from './binaries.ts';
import { locateBinaryPackage } from './binary-package.ts';
import { type Cluster, ensureCluster, setPassword } from './cluster.ts';
import { lockDataDir } from './data-dir-lock.ts';
import { EmbeddedPostgresError } from './embedded-postgres-error.ts';
import { type EmbeddedPostgresConnection, openSocketEndpoint, openTcpEndpoint } from './endpoint.ts';
import { startPostmaster } from './postmaster.ts';
import { readPostmasterFile } from './postmaster-file.ts';
import { endPreviousPostmaster } from './previous-postmaster.ts';
import { chooseServerAccount } from './server-account.ts';
import { removeAbandonedSocketDir } from './socket-dir.ts';
import { PostmasterSupervisor } from './supervisor.ts';

export interface EmbeddedPostgresOptions {
  /** Holds `postgres/` (the cluster), `postgres.log` and the lock. Created when missing. */
  readonly dataDir: string;
  readonly log: Log;
  /** Listen on TCP loopback with a password instead of a socket only, as it always is on Windows. */
  readonly tcp?: { readonly password: string; readonly port?: number };
  /** Extra Postgres settings, for example `{ fsync: 'off' }` in tests. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgres extends AsyncDisposable {
  /** For `pg`. Stays the same when Postgres is started again after a crash. */
  readonly connection: EmbeddedPostgresConnection;
  /** The postmaster; another one after a crash. */
  readonly pid: number;
  /** Ends Postgres and releases the data directory. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Runs a Postgres of our own on a data directory, made at the first start.
 * A postmaster that ends by itself is started again until `stop`; connections are lost meanwhile, as with any
 * restart of a server.
 * @throws EmbeddedPostgresError whose message says what to do
 * @example
 * await using postgres = await startEmbeddedPostgres({ dataDir: '.fleetlm', log });
 * const pool = new Pool(postgres.connection);
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { log, settings = {} } = options;
  const tcp = options.tcp ?? (process.platform === 'win32' ? { password: randomPassword() } : undefined);
  if (tcp) requireUsable(tcp.password);
  await using resources = new AsyncDisposableStack();

  const dataDir = resolve(options.dataDir);
  await makeDataDir(dataDir);
  resources.use(await lockDataDir(dataDir));
  const cluster = await openCluster(dataDir);
  await clearAwayPreviousRun(cluster, log);
  await ensureCluster(cluster, { sync: settings['fsync'] !== 'off' });
  if (tcp) await setPassword(cluster, tcp.password);

  const endpoint = resources.use(
    tcp ? await openTcpEndpoint(tcp) : await openSocketEndpoint(cluster.account),
  );
  const supervisor = await PostmasterSupervisor.start(async (signal) => {
    await endPreviousPostmaster(cluster, log);
    return startPostmaster({ cluster, endpoint, settings }, signal);
  }, log);
  resources.defer(() => supervisor.stop());
  log.info({ pid: supervisor.pid, data_dir: dataDir }, 'the embedded Postgres is ready');

  const owned = resources.move();
  const stop = once(() => owned.disposeAsync());
  return {
    connection: endpoint.connection,
    get pid() {
      return supervisor.pid;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function openCluster(dataDir: string): Promise<Cluster> {
  const dir = join(dataDir, 'postgres');
  const account = await chooseServerAccount(dir);
  const binaries = await prepareBinaries(await locateBinaryPackage(), account);
  return { dir, logFile: join(dataDir, 'postgres.log'), account, binaries };
}

async function makeDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new EmbeddedPostgresError(adviseOnDataDir(dataDir, cause as NodeJS.ErrnoException), { cause });
  }
}

function adviseOnDataDir(dataDir: string, error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'EEXIST':
      return `The data directory ${dataDir} is not a directory: name one by FLEETLM_DATA_DIR.`;
    case 'ENOTDIR':
      return `The data directory ${dataDir} lies below something that is not a directory: correct FLEETLM_DATA_DIR.`;
    default:
      return `Cannot make the data directory: ${String(error)}. Name one that FleetLM may write to by FLEETLM_DATA_DIR.`;
  }
}

async function clearAwayPreviousRun(cluster: Cluster, log: Log): Promise<void> {
  const found = await readPostmasterFile(cluster.dir);
  await endPreviousPostmaster(cluster, log);
  if (found?.socketDir) await removeAbandonedSocketDir(found.socketDir, cluster.account);
}

/** Each caller of `stop` waits for the same end. */
function once(action: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined;
  return () => {
    result ??= action();
    return result;
  };
}

/** Single-user mode reads one statement a line. */
function requireUsable(password: string): void {
  if (password !== '' && !/[\0\r\n]/.test(password)) return;
  throw new EmbeddedPostgresError('The password for the embedded Postgres must be one line, and not empty.');
}

function randomPassword(): string {
  return randomBytes(24).toString('base64url');
}
