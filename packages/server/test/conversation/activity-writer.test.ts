import type { MessageId, ParticipantId, SessionId } from '@fleetlm/protocol';
import { fillInbox, quietLog, waitUntil } from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ActivityWriter } from '../../src/conversation/inbox/activity-writer.ts';
import { removeMember } from '../../src/conversation/members.ts';
import { StoredMessage } from '../../src/conversation/stored-message.ts';
import type { Db } from '../../src/storage/database.ts';
import { alice, bob, createFixture, draft, type Fixture, listener } from './fixtures.ts';

const tickMs = 2_500;
const minuteMs = 60_000;

let fixture: Fixture;
let resources: AsyncDisposableStack;
let writer: ActivityWriter;
/** Which sessions each write was for. */
let writes: SessionId[][];
let hasRepaired: boolean;
/** Called before each query of the writer: may hold it, or throw. */
let beforeQuery: (name: string) => void | Promise<void>;

beforeAll(async () => {
  fixture = await createFixture();
  fixture.appender.listen(listener({ committed: (messages) => writer.committed(messages) }));
});
afterAll(() => fixture[Symbol.asyncDispose]());

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance', 'Date'], now: Date.now() });
  resources = new AsyncDisposableStack();
  writes = [];
  hasRepaired = false;
  beforeQuery = () => {};
  writer = new ActivityWriter(watchedDb(), quietLog);
});
afterEach(async () => {
  beforeQuery = () => {};
  await writer.stop();
  await resources.disposeAsync();
  vi.useRealTimers();
});

function watchedDb(): Db {
  return {
    ...fixture.db,
    query: async (statement, values) => {
      await beforeQuery(statement.name);
      const rows = await fixture.db.query(statement, values);
      if (statement.name === 'recent-sessions') hasRepaired = true;
      if (statement.name === 'write-activity') writes.push([...(values[0] as SessionId[])]);
      return rows as never;
    },
  };
}

/** Lets time pass, tick by tick, and each tick's writes end. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += tickMs) {
    vi.advanceTimersByTime(tickMs);
    await new Promise((resolve) => setImmediate(resolve));
    await fixture.db.query({ name: 'round-trip', text: 'select 1' }, []);
  }
}

async function say(sessionId: SessionId): Promise<string> {
  const outcome = await fixture.append(draft(sessionId, 'hi'));
  if (outcome.kind !== 'stored') throw new Error(`not stored: ${outcome.kind}`);
  return outcome.message.fields.insertedAt;
}

async function activityOf(sessionId: SessionId, participantId = bob): Promise<string> {
  const { activity_at } = await fixture.db.kysely
    .selectFrom('session_members')
    .select('activity_at')
    .where('session_id', '=', sessionId)
    .where('participant_id', '=', participantId)
    .executeTakeFirstOrThrow();
  return activity_at;
}

function untilWritten(sessionId: SessionId, at: string, participantId = bob): Promise<true> {
  return waitUntil(async () => (await activityOf(sessionId, participantId)) === at);
}

/** Looks for it while the clock goes on: how many ticks that takes depends on Postgres. */
async function passUntilWritten(sessionId: SessionId, at: string, participantId = bob): Promise<void> {
  while ((await activityOf(sessionId, participantId)) !== at) await pass(tickMs);
}

/** Starts the writer, and waits until it has looked for what an earlier one left. */
async function start(): Promise<void> {
  writer.start();
  await waitUntil(() => hasRepaired);
  await new Promise((resolve) => setImmediate(resolve));
}

describe('a message', () => {
  test('after a quiet minute is written within two ticks', async () => {
    await start();
    const sessionId = await fixture.session();
    const at = await say(sessionId);
    await pass(2 * tickMs);
    await untilWritten(sessionId, at);
  });

  test('costs its session one write a minute at most, however busy it is', async () => {
    await start();
    const sessionId = await fixture.session();
    let at = '';
    for (let n = 0; n < 3 * 24; n += 1) {
      at = await say(sessionId);
      await pass(tickMs);
    }
    expect(writes.flat().filter((id) => id === sessionId).length).toBeLessThanOrEqual(4);
    await passUntilWritten(sessionId, at);
  });

  test('that comes while its session is written waits for its minute', async () => {
    await start();
    const sessionId = await fixture.session();
    const first = await say(sessionId);
    const held = Promise.withResolvers<void>();
    let isHeld = false;
    beforeQuery = (name) => {
      isHeld ||= name === 'write-activity';
      return isHeld ? held.promise : undefined;
    };
    vi.advanceTimersByTime(tickMs);
    await waitUntil(() => isHeld);
    const second = await say(sessionId);
    held.resolve();
    await untilWritten(sessionId, first);
    await pass(minuteMs - 2 * tickMs);
    expect(await activityOf(sessionId)).toBe(first);
    await passUntilWritten(sessionId, second);
  });

  test('shares its write with those of other sessions', async () => {
    await start();
    const sessions = await Promise.all(Array.from({ length: 20 }, () => fixture.session()));
    const times = await Promise.all(sessions.map((id) => say(id)));
    await pass(tickMs);
    await untilWritten(sessions[19]!, times[19]!);
    // Committed, and read here, before the writer itself has heard of it.
    await waitUntil(() => writes.flat().includes(sessions[0]!));
    expect(writes.filter((ids) => ids.includes(sessions[0]!))).toHaveLength(1);
    expect(writes.find((ids) => ids.includes(sessions[0]!))).toEqual(expect.arrayContaining(sessions));
  });

  test('moves nobody who has left', async () => {
    await start();
    const sessionId = await fixture.session();
    await removeMember(fixture.db.kysely, sessionId, bob);
    const before = await activityOf(sessionId);
    const at = await say(sessionId);
    await pass(tickMs);
    await untilWritten(sessionId, at, alice);
    expect(await activityOf(sessionId)).toBe(before);
  });
});

describe('what could not be written', () => {
  test('because somebody held the row comes with a later tick; nobody waits for it', async () => {
    await start();
    const [sessionId, other] = [await fixture.session(), await fixture.session()];
    const holder = new Client(fixture.database.target);
    await holder.connect();
    resources.defer(() => holder.end());
    await holder.query('begin');
    await holder.query(
      'select 1 from session_members where session_id = $1 and participant_id = $2 for update',
      [sessionId, bob],
    );
    const before = await activityOf(sessionId);
    const [at, otherAt] = [await say(sessionId), await say(other)];
    await pass(2 * tickMs);
    await untilWritten(sessionId, at, alice);
    await untilWritten(other, otherAt);
    expect(await activityOf(sessionId)).toBe(before);
    await holder.query('commit');
    await passUntilWritten(sessionId, at);
  });

  test('because Postgres failed comes with the next tick', async () => {
    await start();
    const sessionId = await fixture.session();
    const at = await say(sessionId);
    let failures = 0;
    beforeQuery = (name) => {
      if (name !== 'write-activity') return;
      failures += 1;
      if (failures === 1) throw new Error('broken by the test');
    };
    await pass(tickMs);
    await waitUntil(() => failures === 1);
    await passUntilWritten(sessionId, at);
  });

  test('before the stop is written by it, due or not', async () => {
    await start();
    const sessionId = await fixture.session();
    const first = await say(sessionId);
    await pass(tickMs);
    await untilWritten(sessionId, first);
    const second = await say(sessionId);
    await writer.stop();
    expect(await activityOf(sessionId)).toBe(second);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('what a killed process left', () => {
  beforeEach(() => {
    // Nobody hears of these messages: the writer that should have is not the one that starts.
    writer = new ActivityWriter(watchedDb(), quietLog);
  });

  async function sayUnheard(sessionId: SessionId): Promise<string> {
    const hearing = writer;
    writer = new ActivityWriter(fixture.db, quietLog);
    const at = await say(sessionId);
    writer = hearing;
    return at;
  }

  test('is written after the next start', async () => {
    const sessionId = await fixture.session();
    const at = await sayUnheard(sessionId);
    await start();
    await passUntilWritten(sessionId, at);
  });

  test('also when that start comes a day later', async () => {
    const sessionId = await fixture.session();
    const at = await sayUnheard(sessionId);
    vi.setSystemTime(Date.now() + 86_400_000);
    await start();
    await passUntilWritten(sessionId, at);
  });
});

test('1,200 sessions at once are written in batches', async () => {
  const peerId = 'user:peer';
  const participantId = 'user:busy' as ParticipantId;
  const sessions = await fillInbox(fixture.database.url, { participantId, peerId, count: 1_200 });
  await start();
  const at = new Date(Date.now() + 1_000).toISOString();
  writer.committed(sessions.map((id) => messageOf(id as SessionId, at)));
  await passUntilWritten(sessions.at(-1) as SessionId, at, participantId);
  await waitUntil(() => writes.flat().includes(sessions.at(-1) as SessionId));
  expect(Math.max(...writes.map((ids) => ids.length))).toBe(500);
  expect(writes.flat()).toEqual(expect.arrayContaining(sessions));
});

function messageOf(sessionId: SessionId, insertedAt: string): StoredMessage {
  return new StoredMessage({
    id: '01ARZ3NDEKTSV4RRFFQ69G5FAW' as MessageId,
    sessionId,
    seq: 2 as StoredMessage['seq'],
    senderId: 'user:peer' as ParticipantId,
    kind: 'text',
    contentJson: '{}',
    metadataJson: '{}',
    clientId: null,
    insertedAt,
  });
}
