import type { SessionId } from '@fleetlm/protocol';
import { waitUntil } from '@fleetlm/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { StoredMessage } from '../../src/conversation/stored-message.ts';
import { Metrics } from '../../src/observability/metrics.ts';
import { LocalPubSub } from '../../src/pubsub/local-pubsub.ts';
import { Cache } from '../../src/runtime/cache.ts';
import type { HotTail } from '../../src/sessions/hot-tail.ts';
import { SessionServer } from '../../src/sessions/session-server.ts';
import type { Db } from '../../src/storage/database.ts';
import { StreamRegistry } from '../../src/streams/stream-registry.ts';
import { createFixture, draft, type Fixture, listener } from '../conversation/fixtures.ts';
import { RecordingReader, range } from './fixtures.ts';

let fixture: Fixture;
/** What the appender told of each commit, by session. */
const log = new Map<SessionId, StoredMessage[]>();

beforeAll(async () => {
  fixture = await createFixture();
  fixture.appender.listen(
    listener({
      committed: (messages) => {
        for (const message of messages) log.set(message.sessionId, [...logOf(message.sessionId), message]);
      },
    }),
  );
});
afterAll(() => fixture[Symbol.asyncDispose]());

function logOf(id: SessionId): StoredMessage[] {
  return log.get(id) ?? [];
}

let sessionId: SessionId;
let pubsub: LocalPubSub;
let crashes: unknown[];
let reader: RecordingReader;

beforeEach(async () => {
  sessionId = await fixture.session();
  pubsub = new LocalPubSub(metrics);
  crashes = [];
  reader = new RecordingReader();
});

/** Commits `count` messages that nobody hears of. */
async function commit(count: number): Promise<StoredMessage[]> {
  const before = logOf(sessionId).length;
  await Promise.all(Array.from({ length: count }, (_, n) => fixture.append(draft(sessionId, String(n)))));
  return logOf(sessionId).slice(before);
}

const metrics = new Metrics();

const noStreams = new StreamRegistry({ pubsub: new LocalPubSub(metrics), metrics });

/** Keeps nothing: every start loads the log. */
const noTails = new Cache<SessionId, HotTail>({ maxBytes: 1, ttlMs: 1, sizeOf: () => 1 });

/** A running server of the session; a crash ends it, as its supervisor would. */
async function start(db: Db = fixture.db): Promise<SessionServer> {
  const server: SessionServer = new SessionServer(sessionId, {
    db,
    pubsub,
    streams: noStreams,
    tails: noTails,
    metrics,
    crash: (error) => {
      crashes.push(error);
      server.crashed(error);
    },
  });
  await server.start();
  return server;
}

/** The database, whose history can be held or broken. */
function faultyDb(): Db & { fault: () => void | Promise<void> } {
  return {
    ...fixture.db,
    fault: () => {},
    async query(statement, values) {
      await this.fault();
      return fixture.db.query(statement, values);
    },
  };
}

describe('what was committed', () => {
  test('is shown once and in order', async () => {
    const server = await start();
    server.attach(reader, null).start(0);
    const messages = await commit(5);
    server.committed(messages.slice(0, 2));
    server.committed(messages.slice(2));
    server.committed(messages.slice(1, 4));
    expect(reader.seqs).toEqual([1, 2, 3, 4, 5]);
    expect(server.lastSeq).toBe(5);
  });

  test('with a hole before it is read from the log first', async () => {
    const server = await start();
    server.attach(reader, null).start(0);
    const messages = await commit(450);
    server.committed(messages.slice(449));
    await waitUntil(() => server.lastSeq === 450);
    server.committed(messages.slice(0, 449));
    expect(reader.seqs).toEqual(range(1, 450));
  });

  test('while the tail is loaded waits for it', async () => {
    const db = faultyDb();
    const loading = Promise.withResolvers<void>();
    db.fault = () => loading.promise;
    const early = await commit(3);
    const server: SessionServer = new SessionServer(sessionId, {
      db,
      pubsub,
      streams: noStreams,
      tails: noTails,
      metrics,
      crash: () => {},
    });
    const started = server.start();
    const late = await commit(2);
    server.committed(early);
    server.committed(late);
    expect(server.lastSeq).toBe(0);
    loading.resolve();
    await started;
    expect(server.lastSeq).toBe(5);
  });

  test('reached: somebody knows of more than was shown', async () => {
    const server = await start();
    server.attach(reader, null).start(0);
    await commit(3);
    server.reached(2);
    await waitUntil(() => reader.seqs.length >= 2);
    server.reached(1);
    server.reached(3);
    await waitUntil(() => server.lastSeq === 3);
    expect(reader.seqs).toEqual([1, 2, 3]);
  });

  test('property: batches late, lost, repeated or swapped: each seq once and in order', async () => {
    const server = await start();
    const readers = [reader, new RecordingReader()];
    for (const each of readers) server.attach(each, null).start(0);
    await fc.assert(
      fc.asyncProperty(
        fc.infiniteStream(fc.nat()),
        fc.integer({ min: 1, max: 12 }),
        async (choices, count) => {
          const choose = (below: number) => choices.next().value! % below;
          const messages = await commit(count);
          for (let n = 0; n < 2 * count; n += 1) {
            const first = choose(count);
            const batch = messages.slice(first, first + 1 + choose(3));
            if (choose(4) > 0) server.committed(batch);
            else server.reached(batch[0]!.seq);
            if (choose(3) === 0) await new Promise((resolve) => setImmediate(resolve));
          }
          server.reached(messages.at(-1)!.seq);
          const { lastSeq } = await waitUntil(() => server.lastSeq === messages.at(-1)!.seq && server);
          for (const { seqs } of readers) expect(seqs).toEqual(range(1, lastSeq));
        },
      ),
      { numRuns: 30 },
    );
    expect(crashes).toEqual([]);
  });

  test('more batches than the mailbox holds: what is refused is read from the log', async () => {
    const db = faultyDb();
    const server = await start(db);
    server.attach(reader, null).start(0);
    const messages = await commit(1_500);
    const held = Promise.withResolvers<void>();
    db.fault = () => held.promise;
    // The first leaves a hole, which is read while all the others wait.
    for (const message of messages.slice(1)) server.committed([message]);
    expect(server.lastSeq).toBe(0);
    held.resolve();
    await waitUntil(() => server.lastSeq === 1_500);
    expect(reader.seqs).toEqual(range(1, 1_500));
  });
});

describe('reads', () => {
  beforeEach(() => commit(250));

  test.each([
    ['the newest, from the tail', { limit: 3 }, 250, range(248, 250), 0],
    ['after a cursor in the tail', { afterSeq: 200, limit: 3 }, 250, [201, 202, 203], 0],
    ['at the end', { afterSeq: 250, limit: 3 }, 250, [], 0],
    ['a page of the newest, of which a cold tail is one', { limit: 50 }, 250, range(201, 250), 0],
    ['more of the newest than the tail has', { limit: 51 }, 250, range(200, 250), 1],
    ['after a cursor before the tail', { afterSeq: 0, limit: 3 }, 250, [1, 2, 3], 1],
    ['before a cursor', { beforeSeq: 250, limit: 2 }, 250, [248, 249], 1],
  ])('%s', async (_name, wanted, head, seqs, queries) => {
    const db = faultyDb();
    const server = await start(db);
    let asked = 0;
    db.fault = () => {
      asked += 1;
    };
    const page = await server.read(wanted, head);
    expect(page.map(({ seq }) => seq)).toEqual(seqs);
    expect(asked).toBe(queries);
  });

  test('a head beyond the tail is read from the log, up to the head', async () => {
    const server = await start();
    await commit(5);
    expect((await server.read({ limit: 2 }, 253)).map(({ seq }) => seq)).toEqual([252, 253]);
    const page = await server.read({ afterSeq: 249, limit: 200 }, 253);
    expect(page.map(({ seq }) => seq)).toEqual([250, 251, 252, 253]);
  });
});

describe('the end', () => {
  test('idle means: no readers', async () => {
    const server = await start();
    expect(server.isIdle).toBe(true);
    const feeds = [server.attach(reader, null), server.attach(reader, null)];
    expect(server.isIdle).toBe(false);
    expect(pubsub.subscriberCount(`session:${sessionId}`)).toBe(2);
    for (const feed of feeds) feed.end();
    expect(server.isIdle).toBe(true);
    expect(pubsub.topicCount).toBe(0);
  });

  test('a crash fails every feed once, whatever its state, and leaves no subscription', async () => {
    const db = faultyDb();
    await commit(200);
    const server = await start(db);
    const readers = Array.from({ length: 3 }, () => new RecordingReader());
    const [live, behind] = readers.map((each) => server.attach(each, null));
    live!.start(200);
    db.fault = () => {
      throw new Error('Postgres is gone');
    };
    server.reached((await commit(1))[0]!.seq);
    await waitUntil(() => crashes.length === 1);
    behind!.start(0);
    expect(readers.map(({ failures }) => failures.map(String))).toEqual(
      readers.map(() => ['Error: Postgres is gone']),
    );
    expect(readers.flatMap(({ seqs }) => seqs)).toEqual([]);
    expect(pubsub.topicCount).toBe(0);
  });

  test('a log that ends before what is known is a crash, not silence', async () => {
    await commit(2);
    const server = await start();
    server.attach(reader, null).start(2);
    server.reached(9);
    await waitUntil(() => crashes.length === 1);
    expect(String(reader.failures[0])).toContain('the log ends at 2, before seq 9');
  });

  test.each(['stop', 'crashed'] as const)(
    'after %s nobody can attach: its reader would hear nothing',
    async (end) => {
      const server = await start();
      server[end](new Error('over'));
      expect(() => server.attach(reader, null)).toThrow('has ended');
      expect(pubsub.topicCount).toBe(0);
    },
  );

  test('after its stop nothing is shown', async () => {
    const server = await start();
    server.attach(reader, null).start(0);
    server.stop();
    server.committed(await commit(2));
    server.reached(2);
    expect(reader.seqs).toEqual([]);
    expect(crashes).toEqual([]);
  });
});
