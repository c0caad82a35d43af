import {
  addGroup,
  addParticipants,
  SessionClient,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { range } from './fixtures.ts';

const alice = 'user:alice';
const bob = 'user:bob';

let server: TestServer;
let resources: AsyncDisposableStack;
/** How many pages of the log were read after a cursor. */
let pagesRead = 0;

beforeAll(async () => {
  server = await startTestServer({
    env: {
      FLEETLM_SESSION_IDLE_MS: '50',
      FLEETLM_SOCKET_QUEUE_BYTES: String(256 << 10),
    },
    overrides: {
      wrapDb: (db) => ({
        ...db,
        query: (statement, values) => {
          if (statement.name === 'history-after') pagesRead += 1;
          return db.query(statement, values);
        },
      }),
    },
  });
  await addParticipants(server, alice, bob);
});
afterAll(() => server[Symbol.asyncDispose]());

beforeEach(() => {
  resources = new AsyncDisposableStack();
});
afterEach(async () => {
  await resources.disposeAsync();
  await waitUntil(() => Object.values(server.server.counts).every((count) => count === 0), {
    what: 'no connection, topic, actor or append left',
  });
});

async function open(sessionId: string, node = server, as = bob): Promise<SessionClient> {
  return resources.use(await SessionClient.open(node.socketUrl(as), sessionId));
}

async function joined(sessionId: string, node = server, payload: object = {}): Promise<SessionClient> {
  const client = await open(sessionId, node);
  expect(await client.join(payload)).toMatchObject({ status: 'ok' });
  return client;
}

/** Appends by REST, one after the other. */
async function post(sessionId: string, count: number, node = server): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const path = `/api/sessions/${sessionId}/messages`;
    const { status } = await node.api('POST', path, { as: alice, body: { content: { n } } });
    expect(status).toBe(200);
  }
}

async function lastSeqOf(sessionId: string): Promise<number> {
  return (await server.api('GET', `/api/sessions/${sessionId}`)).body.session.last_seq;
}

/** Waits until the reader was shown everything after its cursor, and checks that it was shown once, in order. */
async function expectAll(client: SessionClient, cursor: number, lastSeq: number): Promise<void> {
  await waitUntil(() => client.seqs.length >= lastSeq - cursor, {
    what: `all up to ${lastSeq} after ${cursor}`,
    timeoutMs: 10_000,
  });
  expect(client.seqs).toEqual(range(cursor + 1, lastSeq));
}

describe('joins while others write', () => {
  test('200 joiners at any cursor see each seq after it once and in order, slow ones too', {
    timeout: 60_000,
  }, async () => {
    const sessions = await Promise.all([1, 2, 3, 4].map(() => addGroup(server, alice, bob)));
    for (const id of sessions) await (await joined(id)).sayMany(210);
    const sessionOf = (index: number) => sessions[index % sessions.length]!;
    const writers = range(0, 19).map(async (index) => {
      if (index % 2 === 0) return post(sessionOf(index >> 1), 20);
      const client = await joined(sessionOf(index >> 1));
      for (let batch = 0; batch < 6; batch += 1) await client.sayMany(10);
    });
    const joiners = await Promise.all(
      range(0, 199).map(async (index) => {
        const sessionId = sessionOf(index);
        const client = await open(sessionId);
        const cursor = Math.floor(Math.random() * 211);
        const limit = 1 + Math.floor(Math.random() * 200);
        expect(await client.join({ last_seq: cursor, limit })).toMatchObject({ status: 'ok' });
        const isSlow = index % 10 === 9;
        if (isSlow) client.socket.pause();
        return { sessionId, client, cursor, isSlow };
      }),
    );
    await Promise.all(writers);
    const ends = new Map(await Promise.all(sessions.map(async (id) => [id, await lastSeqOf(id)] as const)));
    for (const { client, isSlow } of joiners) if (isSlow) client.socket.resume();
    for (const { client, sessionId, cursor } of joiners)
      await expectAll(client, cursor, ends.get(sessionId)!);
  });

  test('a reader that leaves and comes back by its newest seq, again and again', async () => {
    const sessionId = await addGroup(server, alice, bob);
    const writing = post(sessionId, 150);
    const seen: number[] = [];
    while (seen.length < 150) {
      const client = await open(sessionId);
      await client.join({ last_seq: seen.length, limit: 3 });
      await waitUntil(
        () => client.seqs.length > Math.random() * 20 || seen.length + client.seqs.length >= 150,
      );
      client.socket.terminate();
      await client.socket.closed;
      seen.push(...client.seqs);
    }
    await writing;
    expect(seen).toEqual(range(1, 150));
  });

  test('a rejoin on the same socket goes on from its own cursor', async () => {
    const sessionId = await addGroup(server, alice, bob);
    const client = await joined(sessionId);
    const writing = post(sessionId, 60);
    for (const count of [5, 10, 20]) {
      await waitUntil(() => client.seqs.length >= count);
      // What still comes of the join before is before the new reply.
      const { response } = await client.join({ last_seq: 0, limit: 1 });
      expect(response.messages.map(({ seq }: { seq: number }) => seq)).toEqual([1]);
    }
    await writing;
    await waitUntil(() => client.seqs.at(-1) === 60);
    const lastJoin = client.seqs.lastIndexOf(1);
    expect(client.seqs.slice(lastJoin)).toEqual(range(1, 60));
  });
});

describe('slow readers', () => {
  // More than the queue of 256 KiB and the kernel's buffers of some MiB hold.
  const text = 'x'.repeat(30_000);
  const count = 400;

  test('a joiner that does not read gets page after page when it does, however much there is', async () => {
    const sessionId = await addGroup(server, alice, bob);
    await writeLarge(sessionId);
    const client = await open(sessionId);
    client.socket.pause();
    client.socket.send(['1', '1', client.topic, 'phx_join', { last_seq: 0 }]);
    const other = await joined(sessionId, server, { last_seq: count });
    await untilNoPageIsRead(other);
    await other.say('others are not delayed');
    client.socket.resume();
    await expectAll(client, 0, count + 1);
  });

  test('a live reader that stops is closed with 4008, and comes back by its newest seq', async () => {
    const sessionId = await addGroup(server, alice, bob);
    const client = await joined(sessionId);
    client.socket.pause();
    await writeLarge(sessionId);
    client.socket.resume();
    expect(await client.socket.closed).toEqual({ code: 4008, reason: 'slow_consumer' });
    const { seqs } = client;
    expect(seqs).toEqual(range(1, seqs.length));
    expect(seqs.length).toBeLessThan(count);
    const again = await joined(sessionId, server, { last_seq: seqs.length });
    await expectAll(again, seqs.length, count);
  });

  /** Until no page was read during 20 other queries: the reader has as much as it takes. */
  async function untilNoPageIsRead(other: SessionClient): Promise<void> {
    for (let before = -1; before !== pagesRead; ) {
      before = pagesRead;
      for (let n = 0; n < 20; n += 1) await other.push('history', { before_seq: 2 });
    }
  }

  async function writeLarge(sessionId: string): Promise<void> {
    const writer = await open(sessionId, server, alice);
    await writer.join();
    const refs = range(1, count).map(() => writer.write('send', { content: { content: { text } } }));
    for (const ref of refs) expect((await writer.answerTo(ref)).status).toBe('ok');
    writer.socket.terminate();
  }
});

/**
 * Without a bus, what another node appends is not announced here: a reader that nobody else stirs waits. It is
 * promised that order and completeness hold whatever the nodes do, and that the gap is filled as soon as this
 * node hears of a later seq: by an append, a duplicate's answer or a join of its own.
 */
describe('a second node on the same database', () => {
  let other: TestServer;
  let sessionId: string;
  let reader: SessionClient;

  beforeEach(async () => {
    other = resources.use(await startTestServer({ database: server.database }));
    sessionId = await addGroup(server, alice, bob);
    reader = await joined(sessionId);
  });

  test('an append here shows what was appended there, in order', async () => {
    await post(sessionId, 5, other);
    await post(sessionId, 1);
    await expectAll(reader, 0, 6);
  });

  test('a join here shows it to those who are here already', async () => {
    await post(sessionId, 5, other);
    const joiner = await joined(sessionId, server, { last_seq: 2 });
    await expectAll(joiner, 2, 5);
    await expectAll(reader, 0, 5);
  });

  test("a retry here of what was stored there shows it, and the answer is the first one's", async () => {
    const path = `/api/sessions/${sessionId}/messages`;
    const message = { as: alice, body: { content: {}, client_id: 'k' } };
    await post(sessionId, 3, other);
    const first = await other.api('POST', path, message);
    const retried = await server.api('POST', path, message);
    expect(retried.body).toEqual({ ...first.body, deduplicated: true });
    await expectAll(reader, 0, 4);
  });

  test('a read here sees what was acknowledged there before', async () => {
    await post(sessionId, 3, other);
    const { response } = await reader.push('history', { limit: 1 });
    expect(response).toMatchObject({ messages: [{ seq: 3 }], has_more_after: false });
  });

  test('writers on both at once: one order, the same on both', async () => {
    const there = await joined(sessionId, other);
    const writers = [post(sessionId, 60), post(sessionId, 60, other), post(sessionId, 60, other)];
    const joiners = Promise.all([
      joined(sessionId, server, { last_seq: 0, limit: 1 }),
      joined(sessionId, other, { last_seq: 0, limit: 1 }),
    ]);
    await Promise.all(writers);
    for (const node of [server, other]) await post(sessionId, 1, node);
    await post(sessionId, 1);
    for (const client of [reader, ...(await joiners)]) await waitUntil(() => client.seqs.length >= 182);
    await expectAll(reader, 0, 183);
    // The last one was appended here: there it is seen at the next event.
    await post(sessionId, 1, other);
    await expectAll(there, 0, 184);
    const idsOf = ({ socket: { texts } }: SessionClient) =>
      texts
        .map((each) => JSON.parse(each))
        .filter(([, , , event]) => event === 'message')
        .map(([, , , , { seq, id }]) => `${seq} ${id}`);
    expect(idsOf(there).slice(0, 183)).toEqual(idsOf(reader));
  });
});
