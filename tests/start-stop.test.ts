/**
 * FleetLM as a person or an operator has it: as a process that is started, asked, and stopped. What a command prints
 * is tested in packages/server/test/cli, without a process.
 */
import { appendFile, cp, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import {
  AppendLoad,
  acceptTestPostgres,
  addGroup,
  addParticipants,
  callApi,
  type DataDir,
  HandshakeRefused,
  injected,
  nodeFlags,
  RawSocket,
  readLog,
  repositoryRoot,
  SessionClient,
  SpawnedProcess,
  type SpawnedServer,
  type SpawnOptions,
  sendSignal,
  spawnFleetlm,
  spawnServer,
  startTestServer,
  temporaryDataDir,
  testDatabase,
  testSecret,
  untilListening,
  waitUntil,
} from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, describe, expect, test } from 'vitest';

const bin = join(repositoryRoot, 'packages/server/bin/fleetlm.js');
/** Ten starts of a process take ten seconds, and a minute on a machine with much else to do. */
const timeoutMs = 180_000;

const shared: { dataDir?: DataDir; copy?: string } = {};
afterAll(async () => {
  await shared.dataDir?.[Symbol.asyncDispose]();
  if (shared.copy) await rm(shared.copy, { recursive: true, force: true });
});

/** One for the tests that run one after the other and leave nothing running: making a cluster takes seconds. */
async function sharedDataDir(): Promise<DataDir> {
  shared.dataDir ??= await temporaryDataDir();
  return shared.dataDir;
}

/** A copy of the repository; the first start in it compiles everything. */
async function sharedCopy(): Promise<string> {
  shared.copy ??= await copyRepository();
  return shared.copy;
}

/** Runs a command to its end. */
async function run(args: readonly string[], env: Record<string, string> = {}) {
  await using child = spawnFleetlm(args, { env });
  const { code } = await child.exited;
  return { code, output: child.output };
}

describe('the command line', { concurrent: true, timeout: timeoutMs }, () => {
  test('prints what was asked for, and ends with 0', async ({ expect }) => {
    expect(await run(['-v'])).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  test('an address that others reach is refused without authentication', async ({ expect }) => {
    const { code, output } = await run(['start'], { HOST: '0.0.0.0', FLEETLM_AUTH: 'none' });
    expect(code).toBe(78);
    expect(output).toContain('HOST=0.0.0.0');
    expect(output).toContain('FLEETLM_INSECURE_ALLOW_NO_AUTH=1');
  });

  test('an address that others reach needs a key', async ({ expect }) => {
    const { code, output } = await run(['start'], { HOST: '0.0.0.0' });
    expect(code).toBe(78);
    expect(output).toContain('HOST=0.0.0.0');
    expect(output).toContain('set FLEETLM_JWT_SECRET or FLEETLM_JWKS_URL');
  });

  test('as a newcomer: `npx fleetlm` in the repository, whatever Node the machine has, without a build', async ({
    expect,
  }) => {
    const env = { PATH: pathOutsideOfNpm() };
    const [help, mistake] = await Promise.all(
      [['agent', '--help'], ['fly']].map(async (args) => {
        await using npx = new SpawnedProcess('npx', ['fleetlm', ...args], { env });
        return { exit: await npx.exited, output: npx.output };
      }),
    );
    expect(help).toMatchObject({
      exit: { code: 0 },
      output: expect.stringContaining('fleetlm agent <command>'),
    });
    expect(mistake).toMatchObject({ exit: { code: 64 }, output: expect.stringMatching(/^fleetlm: /) });
  });

  test('sources are run in the same process: a signal reaches the server', async ({ expect }) => {
    await using database = await testDatabase();
    const env = { PORT: '0', DATABASE_URL: database.url, ...acceptTestPostgres };
    await using child = new SpawnedProcess(process.execPath, [bin, 'start'], { env });
    await untilListening(child);
    child.kill('SIGTERM');
    expect(await child.exited).toEqual({ code: 0, signal: null });
  });

  test('where a process cannot become another one, sources are run in a child: pretended', async ({
    expect,
  }) => {
    const pretend = `Object.defineProperty(process, 'platform', { value: 'win32' });`;
    const preload = `data:text/javascript,${encodeURIComponent(pretend)}`;
    await using child = new SpawnedProcess(process.execPath, ['--import', preload, bin, 'fly']);
    expect((await child.exited).code).toBe(64);
    expect(child.output).toMatch(/^fleetlm: /);
  });

  test('a Node that is too old is told so: pretended', async ({ expect }) => {
    const pretend = `Object.defineProperty(process.versions, 'node', { value: '22.12.0' });`;
    const preload = `data:text/javascript,${encodeURIComponent(pretend)}`;
    await using child = new SpawnedProcess(process.execPath, ['--import', preload, bin, '--version']);
    expect((await child.exited).code).toBe(1);
    expect(child.output).toContain('FleetLM needs Node 24 or newer; this is 22.12.0.');
  });

  test('a Node that is too old is told so: a real one', async ({ expect, skip }) => {
    const node = await findOldNode();
    if (node === null) return skip('this machine has no Node older than 24');
    await using child = new SpawnedProcess(node, ['--conditions=fleetlm-source', bin, 'start']);
    expect((await child.exited).code).toBe(1);
    expect(child.output).toMatch(/^FleetLM needs Node 24 or newer; this is \d+\.\d+\.\d+\.\n.*npm ci/);
  });
});

describe('a database', { concurrent: true, timeout: timeoutMs }, () => {
  test('that is not there yet is waited for, then it is said what to do', async ({ expect }) => {
    const port = await findClosedPort();
    const env = {
      DATABASE_URL: `postgres://me:secret@127.0.0.1:${port}/fleetlm`,
      FLEETLM_DB_WAIT_MS: '1000',
    };
    const ends = await Promise.all([['start'], ['db', 'create']].map((args) => run(args, env)));
    for (const { code, output } of ends) {
      expect(code).toBe(1);
      expect(output).toContain('Postgres does not answer yet, trying again');
      expect(output).toMatch(
        /does not answer \(connect ECONNREFUSED .*\): start it, or correct DATABASE_URL/,
      );
      expect(output).not.toContain('secret');
    }
  });

  test('that takes connections and answers nothing is given up', async ({ expect }) => {
    await using stuck = await startStuckPostgres();
    const env = {
      DATABASE_URL: `postgres://me:secret@127.0.0.1:${stuck.port}/fleetlm`,
      FLEETLM_DB_WAIT_MS: '1000',
    };
    const { code, output } = await run(['start'], env);
    expect(code).toBe(1);
    expect(output).toContain('Postgres at DATABASE_URL does not answer');
  });

  test('that `db setup` made is served by the next start', async ({ expect }) => {
    await using dataDir = await temporaryDataDir();
    const env = { FLEETLM_DATA_DIR: dataDir.path };
    const setup = await run(['db', 'setup'], env);
    expect(setup).toMatchObject({ code: 0, output: expect.stringContaining('user:alice') });
    expect(await dataDir.processes()).toEqual([]);
    await using server = await spawnServer({ env });
    const { body } = await server.api('GET', '/api/sessions', { as: 'user:alice' });
    expect(body.sessions).toHaveLength(3);
  });
});

describe('start', { timeout: timeoutMs }, () => {
  test('as a newcomer: `npm start` in a copy of the repository; Ctrl-C ends all of it', async () => {
    const copy = await sharedCopy();
    await using dataDir = await temporaryDataDir();
    await using npm = new SpawnedProcess('npm', ['start'], {
      cwd: copy,
      env: { PATH: pathOutsideOfNpm(), FLEETLM_DATA_DIR: dataDir.path, PORT: '0' },
      isGroup: true,
    });
    const url = await untilListening(npm);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
    sendSignal(-npm.pid, 'SIGINT');
    await npm.exited;
    await expectNoPostgres(dataDir);
    await waitUntil(
      () =>
        fetch(url).then(
          () => false,
          () => true,
        ),
      { what: 'nobody to listen any more' },
    );
  });

  test('as a developer: `npm run dev` starts again when a source changes, SQL too; Ctrl-C ends all of it', async () => {
    const copy = await sharedCopy();
    const dataDir = await sharedDataDir();
    await using npm = new SpawnedProcess('npm', ['run', 'dev'], {
      cwd: copy,
      env: { FLEETLM_DATA_DIR: dataDir.path, PORT: '0' },
      isGroup: true,
    });
    const [firstEcho, session] = await untilEchoAnswers(npm, await untilListening(npm));
    await appendFile(join(copy, 'packages/server/src/conversation/sql/read-session.sql'), '-- changed\n');
    const [, url] = await npm.untilPrinted(/listening on .*listening on (http:[^"\s]+)/s);
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
    const [echo, sameSession] = await untilEchoAnswers(npm, url!, 2);
    expect(echo).not.toBe(firstEcho);
    expect(sameSession).toBe(session);
    sendSignal(-npm.pid, 'SIGINT');
    await npm.exited;
    await expectNoPostgres(dataDir);
    await expect(fetch(echo)).rejects.toThrow('fetch failed');
  });

  test('as a developer: the agent is gone with its server, whatever ended that', async () => {
    const dataDir = await sharedDataDir();
    const flags = [...nodeFlags, `--import=${join(repositoryRoot, 'scripts/dev-agent.ts')}`];
    await using child = new SpawnedProcess(process.execPath, [...flags, bin, 'start'], {
      env: { FLEETLM_DATA_DIR: dataDir.path, PORT: '0' },
    });
    const [echo] = await untilEchoAnswers(child, await untilListening(child));
    child.kill('SIGKILL');
    await child.exited;
    await expect(fetch(echo)).rejects.toThrow('fetch failed');
  });

  test('as a developer with tokens: nobody is brought along', async () => {
    const dataDir = await sharedDataDir();
    const flags = [...nodeFlags, `--import=${join(repositoryRoot, 'scripts/dev-agent.ts')}`];
    await using child = new SpawnedProcess(process.execPath, [...flags, bin, 'start'], {
      env: { FLEETLM_DATA_DIR: dataDir.path, PORT: '0', FLEETLM_JWT_SECRET: testSecret },
    });
    await untilListening(child);
    child.kill('SIGTERM');
    expect((await child.exited).code).toBe(0);
    expect(child.output).not.toContain('dev:');
  });

  test('a second FleetLM on the same data directory is refused, and the first goes on', async () => {
    const dataDir = await sharedDataDir();
    // Shedding would refuse on a machine that is busy with other tests.
    const calm = { FLEETLM_LOAD_LAG_MS: '60000', FLEETLM_APPEND_QUEUE_MS: '60000' };
    const env = { FLEETLM_DATA_DIR: dataDir.path, ...calm };
    await using first = await spawnServer({ env });
    const postmaster = await dataDir.postmasterPid();
    const seconds = [['start'], ['db', 'migrate']].map((args) => run(args, { ...env, PORT: '0' }));
    for (const second of await Promise.all(seconds)) {
      expect(second.code).toBe(1);
      expect(second.output).toContain(`in use by another FleetLM (pid ${first.process.pid})`);
    }
    expect(await dataDir.postmasterPid()).toBe(postmaster);
    expect((await first.api('GET', '/health/ready')).status).toBe(200);
  });

  test('a port that is taken is named, before anything is made or started', async () => {
    await using dataDir = await temporaryDataDir();
    await using other = await startTestServer();
    const port = new URL(other.url).port;
    const env = { FLEETLM_DATA_DIR: dataDir.path, PORT: port, FLEETLM_DATA_DIRS: 'mistyped' };
    const { code, output } = await run(['start'], env);
    expect(code).toBe(1);
    expect(output).toContain('FLEETLM_DATA_DIRS is no variable of FleetLM: FLEETLM_DATA_DIR is');
    expect(output).toContain(`port ${port} of 127.0.0.1 is taken: stop what listens there, or set PORT`);
    expect(await readdir(dataDir.path)).toEqual([]);
  });

  test('SIGTERM before it serves ends it in order too', async () => {
    const dataDir = await sharedDataDir();
    await using child = spawnFleetlm(['start'], { env: { FLEETLM_DATA_DIR: dataDir.path, PORT: '0' } });
    await child.untilPrinted(/the embedded Postgres is ready/);
    child.kill('SIGTERM');
    expect(await child.exited).toEqual({ code: 0, signal: null });
    await expectNoPostgres(dataDir);
  });
});

describe('SIGTERM', { timeout: timeoutMs }, () => {
  test('while a start waits for Postgres: it ends at once', async () => {
    const port = await findClosedPort();
    const env = {
      DATABASE_URL: `postgres://me:secret@127.0.0.1:${port}/fleetlm`,
      FLEETLM_DB_WAIT_MS: '600000',
    };
    await using child = spawnFleetlm(['start'], { env });
    await waitUntil(() => child.output.includes('Postgres does not answer yet'), {
      what: `the wait for Postgres; ${child.output}`,
      timeoutMs: 20_000,
    });
    child.kill('SIGTERM');
    expect(await exitOf(child)).toEqual({ code: 0, signal: null });
  });

  // On Linux, Node's recursive mkdir tries for ever below /proc.
  test.skipIf(process.platform !== 'linux')('while a start hangs: it is cut in the end', async () => {
    const sayListens = injected(
      `process.on('newListener', (name) => name === 'SIGTERM' && process.stdout.write('listens to ' + name))`,
    );
    const env = { ...sayListens, FLEETLM_DATA_DIR: '/proc/fleetlm', PORT: '0', FLEETLM_SHUTDOWN_MS: '1' };
    await using child = spawnFleetlm(['start'], { env });
    await child.untilPrinted(/listens to SIGTERM/);
    child.kill('SIGTERM');
    expect(await exitOf(child)).toEqual({ code: 1, signal: null });
    expect(child.output).toContain('the stop took too long');
  });

  test('while clients append: what was acknowledged is there, the rest is settled by retry', async () => {
    const dataDir = await sharedDataDir();
    const env = { FLEETLM_DATA_DIR: dataDir.path };
    await using first = await spawnServer({ env });
    const second = Promise.withResolvers<string>();
    let current: Promise<string> = Promise.resolve(first.url);
    await using load = await AppendLoad.open({ url: () => current }, { seed: 1 });
    const running = load.run(() => load.oracle.begun >= 1_000);
    await waitUntil(() => load.oracle.acknowledged >= 300, {
      what: '300 acknowledgements',
      timeoutMs: 20_000,
    });
    first.process.kill('SIGTERM');
    void first.process.exited.then(() => {
      current = second.promise;
    });
    expect(await exitOf(first.process)).toEqual({ code: 0, signal: null });
    await expectNoPostgres(dataDir);
    await using next = await spawnServer({ env });
    second.resolve(next.url);
    await running;
    expect(await load.violations()).toEqual([]);
    // Who was connected is served, or cut off without a word; only who comes anew is refused.
    expect(load.refusals.socket).toEqual([]);
    expect(load.refusals.rest.filter((code) => code !== 'draining')).toEqual([]);
  });

  test('not ready, nobody new let in, sockets closed with 1012, the open append answered, all gone', async () => {
    const dataDir = await sharedDataDir();
    await using server = await spawnServer({ env: { FLEETLM_DATA_DIR: dataDir.path } });
    await using scene = await openScene(server, dataDir);
    const { alice, path, locker } = scene;
    await locker.lockSession();
    const posted = server.api('POST', path, { as: 'user:alice', body: { content: { by: 'rest' } } });
    const payload = { content: { content: { by: 'socket' } }, client_id: 'k' };
    alice.write('send', payload);
    await locker.untilAppendWaits();
    server.process.kill('SIGTERM');

    await untilNotReady(server);
    expect((await server.api('GET', '/health/live')).status).toBe(200);
    const late = await server.api('POST', path, { as: 'user:alice', body: { content: {} } });
    expect(late).toMatchObject({ status: 503, body: { code: 'draining', retryable: true } });
    expect(late.headers.get('retry-after')).toBe('1');
    const handshake = RawSocket.open(server.socketUrl('user:bob'));
    await expect(handshake).rejects.toBeInstanceOf(HandshakeRefused);
    await expect(handshake).rejects.toMatchObject({ status: 503 });
    expect(await alice.socket.closed).toMatchObject({ code: 1012 });

    await locker.release();
    const answer = await posted;
    expect(answer.status).toBe(200);
    expect(await exitOf(server.process)).toEqual({ code: 0, signal: null });
    await expectNoPostgres(dataDir);

    await using next = await spawnServer({ env: { FLEETLM_DATA_DIR: dataDir.path } });
    await using again = await SessionClient.open(next.socketUrl('user:alice'), scene.sessionId);
    await again.join();
    const settled = await again.push('send', payload);
    const log = await readLog(next.url, scene.sessionId);
    expect(log.map(({ seq, content }) => [seq, content])).toEqual(
      [
        [answer.body.message.seq, { by: 'rest' }],
        [settled.response.message.seq, { by: 'socket' }],
      ].sort(([one], [other]) => one - other),
    );
    expect(log).toHaveLength(2);
  });

  test('while Postgres is lost without a word: it ends all the same', async () => {
    await using database = await testDatabase();
    await using proxied = await database.behindProxy();
    const env = { DATABASE_URL: proxied.url, FLEETLM_SHUTDOWN_MS: '1000' };
    await using server = await spawnServer({ env });
    // They leave idle connections behind, of the pool and of readiness.
    expect((await server.api('GET', '/api/sessions')).status).toBe(200);
    expect((await server.api('GET', '/health/ready')).status).toBe(200);
    proxied.network.silence();
    server.process.kill('SIGTERM');
    expect(await exitOf(server.process)).toEqual({ code: 0, signal: null });
  });

  test('twice: the second waits for nobody', async () => {
    const dataDir = await sharedDataDir();
    await using server = await spawnServer({ env: { FLEETLM_DATA_DIR: dataDir.path } });
    await using scene = await openScene(server, dataDir);
    await scene.locker.lockSession();
    const posted = server.api('POST', scene.path, { as: 'user:alice', body: { content: {} } });
    posted.catch(() => {});
    await scene.locker.untilAppendWaits();
    server.process.kill('SIGTERM');
    await untilNotReady(server);
    // The append would have been waited for: it has been told nothing yet.
    expect(server.process.hasExited).toBe(false);
    server.process.kill('SIGTERM');
    expect(await exitOf(server.process)).toEqual({ code: 0, signal: null });
    expect(server.process.output).toContain('stopping at once');
    // Cut, not refused: an error reply would have been a promise that it is not stored.
    await expect(posted).rejects.toThrow('fetch failed');
    await expectNoPostgres(dataDir);
  });
});

/** Lets everybody in, says that it is ready for a query, and then nothing more. */
async function startStuckPostgres() {
  const welcome = Buffer.from('R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.once('data', () => socket.write(welcome));
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** The echo agent has answered a question of user:alice. Where it is, after so many starts, and the session. */
async function untilEchoAnswers(dev: SpawnedProcess, url: string, starts = 1): Promise<[string, string]> {
  const introduction = /dev: agent:echo \((http:\S+)\) .*\n.* user:alice (\w+) /;
  const all = Array.from({ length: starts }, () => introduction.source).join('[^]*?');
  const [echo, session] = (await dev.untilPrinted(new RegExp(all))).slice(-2) as [string, string];
  const path = `/api/sessions/${session}/messages`;
  const asked = await callApi(url, 'POST', path, { as: 'user:alice', body: { content: { text: 'Hello' } } });
  const after = `${path}?after_seq=${asked.body.message.seq}`;
  const answer = await waitUntil(async () => (await callApi(url, 'GET', after)).body.messages[0], {
    what: `an answer of ${echo}; ${dev.output}`,
  });
  expect(answer).toMatchObject({ sender_id: 'agent:echo', content: { parts: [{ text: 'Hello' }] } });
  return [echo, session];
}

async function untilNotReady(server: SpawnedServer): Promise<void> {
  // A drain closes idle connections, and may meet the next call on one.
  const isNotReady = () =>
    server.api('GET', '/health/ready').then(
      ({ status }) => status === 503,
      () => false,
    );
  await waitUntil(isNotReady, { what: '/health/ready to say 503' });
}

/** The end of a server that was told to stop: it has 30 s. */
async function exitOf(child: SpawnedProcess) {
  await waitUntil(() => child.hasExited, {
    what: `the end of the server; ${child.output}`,
    timeoutMs: 30_000,
  });
  return child.exited;
}

async function expectNoPostgres(dataDir: DataDir): Promise<void> {
  expect(await dataDir.processes()).toEqual([]);
  expect(await dataDir.postmasterPid()).toBeNull();
}

/** Two members of a session, one on a socket, and a connection that can hold the session's lock. */
async function openScene(server: SpawnedServer, dataDir: DataDir) {
  await addParticipants(server, 'user:alice', 'user:bob');
  const sessionId = await addGroup(server, 'user:alice', 'user:bob');
  const alice = await SessionClient.open(server.socketUrl('user:alice'), sessionId);
  await alice.join();
  const locker = await openLocker(dataDir, sessionId);
  return {
    sessionId,
    path: `/api/sessions/${sessionId}/messages`,
    alice,
    locker,
    async [Symbol.asyncDispose]() {
      await locker.end();
      await alice[Symbol.asyncDispose]();
    },
  };
}

async function openLocker(dataDir: DataDir, sessionId: string) {
  const client = new Client(await dataDir.connection());
  // Postgres ends it when it stops.
  client.on('error', () => {});
  await client.connect();
  const countWaiting = async () => {
    const { rowCount } = await client.query(
      `select from pg_stat_activity where application_name = 'fleetlm-append' and wait_event_type = 'Lock'`,
    );
    return rowCount ?? 0;
  };
  return {
    async lockSession() {
      await client.query('begin');
      await client.query('select from chat_sessions where id = $1 for update', [sessionId]);
    },
    untilAppendWaits: () =>
      waitUntil(async () => (await countWaiting()) > 0, { what: 'an append that waits for the lock' }),
    release: () => client.query('commit'),
    end: () => client.end().catch(() => {}),
  };
}

async function findClosedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await waitUntil(() => server.listening, { what: 'a free port' });
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('a server without a port');
  return address.port;
}

/** The repository's sources, with links to what npm has installed: as after `npm ci`. */
async function copyRepository(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'fleetlm-copy-'));
  for (const name of ['package.json', 'package-lock.json', '.npmrc', 'packages', 'scripts', 'examples']) {
    await cp(join(repositoryRoot, name), join(copy, name), {
      recursive: true,
      filter: (path) => !['node_modules', 'test'].includes(basename(path)),
    });
  }
  await linkModules(join(repositoryRoot, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** Workspaces are relative links, which lead to the copy's own packages. */
async function linkModules(from: string, to: string): Promise<void> {
  await mkdir(to);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isSymbolicLink()) await cp(source, target, { verbatimSymlinks: true });
    else if (entry.name === '@fleetlm') await linkModules(source, target);
    else await symlink(source, target);
  }
}

/** Without what `npx` and npm scripts put in front, so that `node` is that of the machine. */
function pathOutsideOfNpm(): string {
  return directoriesOfPath().join(delimiter);
}

function directoriesOfPath(): string[] {
  const directories = (process.env['PATH'] ?? '').split(delimiter);
  return directories.filter((directory) => !/node_modules|node-gyp-bin/.test(directory));
}

async function findOldNode(): Promise<string | null> {
  for (const directory of directoriesOfPath()) {
    const node = join(directory, 'node');
    await using child = await trySpawn(node, ['--version']);
    if (child === null || (await child.exited).code !== 0) continue;
    if (Number(/^v(\d+)/.exec(child.output)?.[1]) < 24) return node;
  }
  return null;
}

async function trySpawn(
  program: string,
  args: string[],
  options: SpawnOptions = {},
): Promise<SpawnedProcess | null> {
  try {
    return new SpawnedProcess(program, args, options);
  } catch {
    return null;
  }
}
