/** Who is told of a message, and when: nobody before its commit, its sender first after it. */
import {
  addGroup,
  addParticipants,
  SessionClient,
  type SpawnedServer,
  spawnServer,
  startTestServer,
  type TestDatabase,
  type TestServer,
  testDatabase,
  waitUntil,
} from '@fleetlm/testkit';
import { Client } from 'pg';
import { expect, test } from 'vitest';

/** Far longer than a look at everything takes, on a busy machine too. */
const holdMs = 1_500;

test('before the commit nobody is told: no reply, no broadcast, no history; after it everybody is', async () => {
  await using server = await startTestServer({
    env: { FLEETLM_FAILPOINTS: `before_commit=sleep(${holdMs})` },
  });
  await using client = await connect(server.database);
  await using scene = await openScene(server);
  const { alice, bob, path } = scene;
  const ref = alice.write('send', { content: { content: { by: 'socket' } } });
  const posted = track(server.api('POST', path, { as: 'user:alice', body: { content: { by: 'rest' } } }));

  const held = await waitUntil(() => findHeldAppend(client), { what: 'an append that waits for its commit' });
  expect(posted.isSettled).toBe(false);
  expect(await alice.socket.settle()).toEqual([]);
  expect(await bob.socket.settle()).toEqual([]);
  expect((await server.api('GET', path)).body).toMatchObject({ messages: [], last_seq: 0 });
  expect((await bob.push('history')).response.messages).toEqual([]);
  // Joined meanwhile: neither the page nor what follows it shows anything.
  await using late = await SessionClient.open(server.socketUrl('user:bob'), scene.sessionId);
  expect((await late.join()).response).toMatchObject({ messages: [], last_seq: 0 });
  expect(posted.isSettled).toBe(false);
  // The same transaction is still open: all of this was before its commit.
  expect(await findHeldAppend(client)).toEqual(held);

  expect((await alice.answerTo(ref)).status).toBe('ok');
  expect((await posted.promise).status).toBe(200);
  for (const reader of [alice, bob, late]) {
    await waitUntil(() => reader.seqs.length === 2, { what: 'both broadcasts' });
    expect(reader.seqs).toEqual([1, 2]);
  }
  expect((await server.api('GET', path)).body.last_seq).toBe(2);
});

test('between commit and acknowledgement history shows it; then the sender is told, then the readers', async () => {
  const env = { FLEETLM_FAILPOINTS: `after_commit_before_ack=sleep(${holdMs})` };
  await using server = await startTestServer({ env });
  await using scene = await openScene(server);
  const { alice, bob, path } = scene;
  const ref = alice.write('send', { content: { content: { text: 'x' } } });

  await waitUntil(async () => (await server.api('GET', path)).body.last_seq === 1, { what: 'the commit' });
  expect(await alice.socket.settle()).toEqual([]);
  expect(await bob.socket.settle()).toEqual([]);

  const [reply, broadcast] = await alice.socket.take(2);
  expect(reply.slice(1, 4)).toEqual([ref, alice.topic, 'phx_reply']);
  expect(reply[4]).toMatchObject({ status: 'ok', response: { message: { seq: 1 }, deduplicated: false } });
  expect(broadcast.slice(2, 4)).toEqual([alice.topic, 'message']);
  expect(broadcast[4]).toMatchObject({ seq: 1, id: reply[4].response.message.id });
  await bob.socket.next((frame) => frame[3] === 'message' && frame[4].seq === 1);
});

test('with many in flight, each reply comes before the broadcast of its message', async () => {
  await using server = await startTestServer();
  await using scene = await openScene(server);
  const { alice } = scene;
  await alice.sayMany(200);
  await waitUntil(() => alice.seqs.length === 200, { what: '200 broadcasts' });
  const frames = alice.socket.texts.map((text) => JSON.parse(text));
  for (let seq = 1; seq <= 200; seq++) {
    const replied = frames.findIndex((frame) => frame[4].response?.message?.seq === seq);
    const shown = frames.findIndex((frame) => frame[3] === 'message' && frame[4].seq === seq);
    expect(replied, `the reply to seq ${seq}`).toBeGreaterThan(-1);
    expect(shown, `the broadcast of seq ${seq}`).toBeGreaterThan(replied);
  }
});

test('killed before the commit: nobody was told anything, nothing is stored, and a retry stores it', async () => {
  await using database = await testDatabase();
  const body = { content: { by: 'rest' }, client_id: 'rest' };
  const payload = { content: { content: { by: 'socket' } }, client_id: 'socket' };
  const { path, sessionId } = await dieWhileAppending(
    database,
    'before_commit',
    async ({ server, alice, path }) => {
      alice.write('send', payload);
      await expect(server.api('POST', path, { as: 'user:alice', body })).rejects.toThrow('fetch failed');
    },
  );

  await using server = await spawnServer({ env: { DATABASE_URL: database.url } });
  expect((await server.api('GET', path)).body).toMatchObject({ messages: [], last_seq: 0 });
  const posted = await server.api('POST', path, { as: 'user:alice', body });
  expect(posted.body).toMatchObject({ message: { seq: 1 }, deduplicated: false });
  await using alice = await SessionClient.open(server.socketUrl('user:alice'), sessionId);
  await alice.join();
  const sent = await alice.push('send', payload);
  expect(sent.response).toMatchObject({ message: { seq: 2 }, deduplicated: false });
});

test('killed after the commit: nobody was told, but it is stored, and a retry says so', async () => {
  await using database = await testDatabase();
  const message = { content: { text: 'x' }, client_id: 'k' };
  const { path } = await dieWhileAppending(database, 'after_commit_before_ack', async ({ alice }) => {
    alice.write('send', { content: { content: message.content }, client_id: message.client_id });
  });

  await using server = await spawnServer({ env: { DATABASE_URL: database.url } });
  const { messages } = (await server.api('GET', path)).body;
  expect(messages).toMatchObject([{ seq: 1, ...message }]);
  const retried = await server.api('POST', path, { as: 'user:alice', body: message });
  expect(retried.body).toEqual({ message: messages[0], deduplicated: true });
  expect((await server.api('GET', path)).body.last_seq).toBe(1);
});

interface Scene<Server> extends AsyncDisposable {
  readonly server: Server;
  readonly sessionId: string;
  /** Of the session's messages. */
  readonly path: string;
  readonly alice: SessionClient;
  readonly bob: SessionClient;
}

/** Two members of a session, both joined, with their join replies taken. */
async function openScene<Server extends Pick<TestServer, 'api' | 'socketUrl'>>(
  server: Server,
): Promise<Scene<Server>> {
  await addParticipants(server, 'user:alice', 'user:bob');
  const sessionId = await addGroup(server, 'user:alice', 'user:bob');
  await using resources = new AsyncDisposableStack();
  const enter = async (id: string) => {
    const client = resources.use(await SessionClient.open(server.socketUrl(id), sessionId));
    await client.join();
    return client;
  };
  const [alice, bob] = [await enter('user:alice'), await enter('user:bob')];
  const owned = resources.move();
  return {
    server,
    sessionId,
    path: `/api/sessions/${sessionId}/messages`,
    alice,
    bob,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Lets a server kill itself at `failpoint`, while `append` appends; no socket has seen a frame since its join. */
async function dieWhileAppending(
  database: TestDatabase,
  failpoint: string,
  append: (scene: Scene<SpawnedServer>) => Promise<void>,
): Promise<Pick<Scene<SpawnedServer>, 'path' | 'sessionId'>> {
  const env = { DATABASE_URL: database.url, FLEETLM_FAILPOINTS: `${failpoint}=kill` };
  await using server = await spawnServer({ env });
  await using scene = await openScene(server);
  await append(scene);
  expect(await server.process.exited).toEqual({ code: null, signal: 'SIGKILL' });
  for (const { socket } of [scene.alice, scene.bob]) {
    await socket.closed;
    expect(socket.texts.slice(1)).toEqual([]);
  }
  return scene;
}

function track<T>(promise: Promise<T>): { readonly promise: Promise<T>; readonly isSettled: boolean } {
  let isSettled = false;
  const note = () => {
    isSettled = true;
  };
  promise.then(note, note);
  return {
    promise,
    get isSettled() {
      return isSettled;
    },
  };
}

async function connect({ target }: TestDatabase): Promise<Client & AsyncDisposable> {
  const client = new Client(target);
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

/** The append transaction that has done everything but commit: its backend waits for what we write next. */
async function findHeldAppend(client: Client): Promise<object | undefined> {
  const { rows } = await client.query(
    `select pid, xact_start::text from pg_stat_activity
     where application_name = 'fleetlm-append' and datname = current_database() 
       and state = 'active' and wait_event = 'ClientRead'`,
  );
  return rows[0];
}
