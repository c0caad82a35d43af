import {
  addGroup,
  addParticipants,
  SessionClient,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { range } from './fixtures.ts';

const alice = 'user:alice';
const bob = 'user:bob';

/** What happens to queries of a session's history: nothing, or as a test says. */
const faults = new Map<string, () => void | Promise<void>>();
let resources: AsyncDisposableStack;
let server: TestServer;
let sick: string;
let healthy: string;

beforeEach(async () => {
  resources = new AsyncDisposableStack();
  server = resources.use(
    await startTestServer({
      // One connection for reads: a session that holds it would hold up all the others.
      env: { FLEETLM_SESSION_IDLE_MS: '50', FLEETLM_DB_POOL_SIZE: '2' },
      overrides: {
        wrapDb: (db) => ({
          ...db,
          async query(statement, values) {
            if (statement.name.startsWith('history')) await faults.get(String(values[0]))?.();
            return db.query(statement, values);
          },
        }),
      },
    }),
  );
  resources.defer(() => faults.clear());
  await addParticipants(server, alice, bob);
  sick = await addGroup(server, alice, bob);
  healthy = await addGroup(server, alice, bob);
});
afterEach(() => resources.disposeAsync());

async function open(sessionId: string, as = bob): Promise<SessionClient> {
  return resources.use(await SessionClient.open(server.socketUrl(as), sessionId));
}

async function joined(sessionId: string, as = bob): Promise<SessionClient> {
  const client = await open(sessionId, as);
  expect(await client.join()).toMatchObject({ status: 'ok' });
  return client;
}

/** Joins, sends, broadcasts and history of the healthy session, all of them. */
async function expectHealthy(): Promise<void> {
  const [writer, reader] = [await joined(healthy, alice), await joined(healthy)];
  const seq = await writer.say('hello');
  await reader.socket.next((frame) => frame[3] === 'message' && frame[4].seq === seq);
  expect((await reader.push('history', { limit: 1 })).response.messages[0].seq).toBe(seq);
  expect((await server.api('GET', `/api/sessions/${healthy}/messages`)).status).toBe(200);
  for (const client of [writer, reader]) {
    expect((await client.push('phx_leave')).status).toBe('ok');
    client.socket.terminate();
  }
}

async function append(sessionId: string): Promise<number> {
  const path = `/api/sessions/${sessionId}/messages`;
  return (await server.api('POST', path, { as: alice, body: { content: {} } })).status;
}

function failHistory(sessionId: string): void {
  faults.set(sessionId, () => {
    throw new Error('the disk is on fire');
  });
}

describe('a session whose tail loads slowly', () => {
  test('delays its own joiners only; appends to it go on, and are seen', async () => {
    const held = Promise.withResolvers<void>();
    faults.set(sick, () => held.promise);
    const waiting = await Promise.all([1, 2, 3].map(() => open(sick)));
    const answers = waiting.map((client) => client.join());
    await waitUntil(() => server.server.counts.sessions === 1);
    await expectHealthy();
    for (let n = 0; n < 3; n += 1) expect(await append(sick)).toBe(200);
    await expectHealthy();
    for (const client of waiting) expect(await client.socket.settle()).toEqual([]);
    held.resolve();
    for (const answer of await Promise.all(answers)) expect(answer.status).toBe('ok');
    for (const client of waiting) {
      await waitUntil(() => client.seqs.length >= 3);
      expect(client.seqs).toEqual([1, 2, 3]);
    }
  });

  test('delays no other topic of the same socket', async () => {
    const held = Promise.withResolvers<void>();
    faults.set(sick, () => held.promise);
    const client = await open(healthy);
    client.socket.send(['s', 's', `session:${sick}`, 'phx_join', {}]);
    expect((await client.join()).status).toBe('ok');
    expect(await client.say('not delayed')).toBe(1);
    held.resolve();
    expect((await client.socket.next((frame) => frame[1] === 's'))[4].status).toBe('ok');
  });

  test('longer than the idle time: nobody is handed an actor that has gone', async () => {
    const held = Promise.withResolvers<void>();
    faults.set(sick, () => held.promise);
    const client = await open(sick);
    const answer = client.join();
    await waitUntil(() => server.server.counts.sessions === 1);
    // Another session is passivated meanwhile, which takes the idle time.
    await expectHealthy();
    await waitUntil(() => server.server.counts.sessions === 1);
    held.resolve();
    expect((await answer).status).toBe('ok');
    await append(sick);
    await waitUntil(() => client.seqs.length === 1);
  });

  test('a joiner that gives up leaves nothing behind', async () => {
    const held = Promise.withResolvers<void>();
    faults.set(sick, () => held.promise);
    const client = await open(sick);
    client.write('phx_join');
    await waitUntil(() => server.server.counts.sessions === 1);
    client.socket.terminate();
    held.resolve();
    await waitUntil(() => Object.values(server.server.counts).every((count) => count === 0));
  });
});

describe('a session whose tail cannot be loaded', () => {
  test('its joins crash, others do not, and its next join works once the fault is gone', async () => {
    failHistory(sick);
    const client = await open(sick);
    for (let n = 0; n < 3; n += 1) {
      expect(await client.join()).toEqual({ status: 'error', response: { reason: 'join crashed' } });
      expect(server.server.counts).toMatchObject({ sessions: 0, subscribedTopics: 0, topics: 0 });
      await expectHealthy();
      await waitUntil(() => server.server.counts.sessions === 0);
    }
    expect(await append(sick)).toBe(200);
    faults.delete(sick);
    expect((await client.join()).status).toBe('ok');
    expect(client.seqs).toEqual([1]);
  });

  test('all who join at once hear of it, and can try again', async () => {
    failHistory(sick);
    const clients = await Promise.all([1, 2, 3, 4, 5].map(() => open(sick)));
    const answers = await Promise.all(clients.map((client) => client.join()));
    expect(answers.map(({ response }) => response)).toEqual(clients.map(() => ({ reason: 'join crashed' })));
    faults.delete(sick);
    for (const client of clients) expect((await client.join()).status).toBe('ok');
    expect(server.server.counts.sessions).toBe(1);
  });
});

describe('a session whose actor crashes', () => {
  /** A hole in what the actor was told makes it read the log, which fails. */
  async function crash(): Promise<void> {
    const other = resources.use(await startTestServer({ database: server.database }));
    const path = `/api/sessions/${sick}/messages`;
    const { status } = await other.api('POST', path, {
      as: alice,
      body: { content: { by: 'another node' } },
    });
    expect(status).toBe(200);
    failHistory(sick);
    expect(await append(sick)).toBe(200);
  }

  test('its readers get phx_error, come back by their cursor and have missed nothing', async () => {
    const [first, second, other] = [await joined(sick), await joined(sick, alice), await joined(healthy)];
    expect(await append(sick)).toBe(200);
    await waitUntil(() => first.seqs.length === 1 && second.seqs.length === 1);
    await crash();
    for (const { socket, topic } of [first, second]) {
      const frame = await socket.next(([, , , event]) => event === 'phx_error');
      expect(frame).toEqual(['1', '1', topic, 'phx_error', { reason: 'channel_crash' }]);
    }
    expect(server.server.counts).toMatchObject({ sessions: 1, subscribedTopics: 1, topics: 1 });
    expect((await first.push('send', {})).response).toEqual({ reason: 'unmatched topic' });
    expect(await first.join({ last_seq: 1 })).toMatchObject({ response: { reason: 'join crashed' } });

    expect(await other.say('undisturbed')).toBe(1);
    expect((await other.socket.settle()).map(([, , , event]) => event)).not.toContain('phx_error');
    await expectHealthy();

    faults.delete(sick);
    for (const client of [first, second]) {
      expect((await client.join({ last_seq: 1 })).status).toBe('ok');
      await waitUntil(() => client.seqs.length >= 3);
      expect(client.seqs).toEqual(range(1, 3));
    }
    expect(await append(sick)).toBe(200);
    await waitUntil(() => first.seqs.length === 4 && second.seqs.length === 4);
  });

  test('one reader whose page cannot be read ends alone', async () => {
    const live = await joined(sick);
    await live.sayMany(300);
    const behind = await open(sick);
    let queries = 0;
    faults.set(sick, () => {
      queries += 1;
      if (queries === 2) throw new Error('once');
    });
    // The join reads one page, the catch-up the next one.
    expect((await behind.join({ last_seq: 0, limit: 1 })).status).toBe('ok');
    await behind.socket.next(([, , , event]) => event === 'phx_error');
    expect(await live.say('undisturbed')).toBe(301);
    expect((await behind.join({ last_seq: behind.seqs.at(-1) })).status).toBe('ok');
    await waitUntil(() => behind.seqs.length >= 301);
    expect(behind.seqs).toEqual(range(1, 301));
  });
});
