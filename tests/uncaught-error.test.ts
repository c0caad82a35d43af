import {
  addGroup,
  addParticipants,
  injected,
  SessionClient,
  type SpawnedServer,
  spawnServer,
  testDatabase,
  waitUntil,
} from '@fleetlm/testkit';
import { Client } from 'pg';
import { describe, test } from 'vitest';

/** SIGUSR2 makes an error that nobody catches, as a bug would. */
const env = injected(
  `process.on('SIGUSR2', () => Promise.reject(new Error('a bug' + String.fromCharCode(10) + 'of two lines')))`,
);

describe('S31: an error that nobody caught', { concurrent: true, timeout: 60_000 }, () => {
  test('is logged, and ends the server in order, with a failure', async ({ expect }) => {
    await using scene = await openScene();
    const { server, alice } = scene;
    server.process.kill('SIGUSR2');
    expect(await alice.socket.closed).toEqual({ code: 1012, reason: 'restart' });
    expect(await server.process.exited).toEqual({ code: 1, signal: null });
    // S28: each line is one object, whatever the message holds.
    const lines = server.process.output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const fatal = lines.filter((line) => line.msg === 'uncaught error');
    expect(fatal).toMatchObject([{ level: 50, err: { message: 'a bug\nof two lines' } }]);
    expect(fatal[0].err.stack).toContain('Error: a bug');
  });

  test('and a second one: it waits for nobody any more', async ({ expect }) => {
    await using scene = await openScene();
    const { server, sessionId, locker } = scene;
    await locker.query('begin');
    await locker.query('select from chat_sessions where id = $1 for update', [sessionId]);
    const path = `/api/sessions/${sessionId}/messages`;
    const posted = server.api('POST', path, { as: 'user:alice', body: { content: {} } });
    posted.catch(() => {});
    await untilAppendWaits(locker);
    server.process.kill('SIGUSR2');
    await server.process.untilPrinted(/uncaught error/);
    server.process.kill('SIGUSR2');
    expect(await server.process.exited).toEqual({ code: 1, signal: null });
    // Cut: an answer would have been that of the append's own deadline.
    await expect(posted).rejects.toThrow('fetch failed');
  });
});

async function openScene() {
  await using resources = new AsyncDisposableStack();
  const database = resources.use(await testDatabase());
  const server: SpawnedServer = resources.use(
    await spawnServer({ env: { ...env, DATABASE_URL: database.url } }),
  );
  await addParticipants(server, 'user:alice', 'user:bob');
  const sessionId = await addGroup(server, 'user:alice', 'user:bob');
  const alice = resources.use(await SessionClient.open(server.socketUrl('user:alice'), sessionId));
  await alice.join();
  const locker = new Client(database.target);
  await locker.connect();
  resources.defer(() => locker.end());
  const owned = resources.move();
  return { server, sessionId, alice, locker, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function untilAppendWaits(locker: Client): Promise<void> {
  const text = `select from pg_stat_activity
    where datname = current_database() and application_name = 'fleetlm-append' and wait_event_type = 'Lock'`;
  await waitUntil(async () => (await locker.query(text)).rowCount! > 0, {
    what: 'an append that waits for the lock',
  });
}

test('S18: the server has no __proto__, and works', async () => {
  await using database = await testDatabase();
  const probe = injected(
    `process.on('SIGUSR2', () => process.stdout.write('__proto__' in {} ? 'proto: there' : 'proto: gone'))`,
  );
  await using server = await spawnServer({ env: { ...probe, DATABASE_URL: database.url } });
  await addParticipants(server, 'user:alice', 'user:bob');
  server.process.kill('SIGUSR2');
  await server.process.untilPrinted(/proto: gone/);
});
