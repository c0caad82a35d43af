import {
  addGroup,
  addParticipants,
  type ChannelAnswer,
  RawSocket,
  SessionClient,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

const ann = 'user:ann';
const bob = 'user:bob';
const cat = 'user:cat';

let server: TestServer;
let sessionId: string;
let resources: AsyncDisposableStack;

beforeAll(async () => {
  server = await startTestServer();
  await addParticipants(server, ann, bob, cat);
});
afterAll(() => server[Symbol.asyncDispose]());

beforeEach(async () => {
  resources = new AsyncDisposableStack();
  sessionId = await addGroup(server, ann, bob, cat);
});
afterEach(() => resources.disposeAsync());

async function joined(as?: string, payload: object = {}): Promise<SessionClient> {
  const client = resources.use(await SessionClient.open(server.socketUrl(as), sessionId));
  expect(await client.join(payload)).toMatchObject({ status: 'ok' });
  return client;
}

async function remove(participantId: string, as?: string): Promise<void> {
  const path = `/api/sessions/${sessionId}/members/${participantId}`;
  expect((await server.api('DELETE', path, as === undefined ? {} : { as })).status).toBe(200);
}

async function add(participantId: string): Promise<void> {
  const path = `/api/sessions/${sessionId}/members/${participantId}`;
  expect((await server.api('PUT', path, { as: ann, body: {} })).status).toBe(200);
}

/** Posts what only members may see from here on; returns its seq. */
async function post(text = 'after the removal'): Promise<number> {
  const body = { content: { text } };
  const answer = await server.api('POST', `/api/sessions/${sessionId}/messages`, { as: ann, body });
  expect(answer.status).toBe(200);
  return answer.body.message.seq;
}

function eventsOf({ socket, topic }: SessionClient): string[] {
  return socket.texts
    .map((text) => JSON.parse(text))
    .filter((frame) => frame[2] === topic)
    .map((frame) => frame[3]);
}

/** Waits for the close of the topic, and until whatever the server sent before an answer now is here. */
async function expectClosed(client: SessionClient): Promise<void> {
  await client.socket.next((frame) => frame[3] === 'phx_close' && frame[2] === client.topic);
  await client.socket.settle();
  expect(eventsOf(client).at(-1)).toBe('phx_close');
}

/** Joins after some round trips. */
async function joinAfter(client: SessionClient, roundTrips: number, payload: object): Promise<ChannelAnswer> {
  for (let n = 0; n < roundTrips; n += 1) await client.socket.settle();
  return client.join(payload);
}

describe('a removed member', () => {
  test("is closed out on all its devices, within a second; the other members' topics stay", async () => {
    const devices = [await joined(bob), await joined(bob)];
    const others = [await joined(ann), await joined(cat), await joined()];
    const beganMs = performance.now();
    await remove(bob, ann);
    for (const device of devices) await expectClosed(device);
    expect(performance.now() - beganMs).toBeLessThan(1_000);
    const seq = await post();
    for (const other of others) await waitUntil(() => other.seqs.includes(seq));
    for (const device of devices) {
      await device.socket.settle();
      expect(device.seqs).toEqual([]);
      expect((await device.push('send', { content: { content: {} } })).response.reason).toBe(
        'unmatched topic',
      );
      expect((await device.join()).response.reason).toBe('session_not_found');
    }
  });

  test('is closed out with serializer V1 as well', async () => {
    const socket = resources.use(await RawSocket.open(server.socketUrl(bob), { vsn: null }));
    const topic = `session:${sessionId}`;
    socket.send({ topic, event: 'phx_join', payload: {}, ref: '1' });
    await socket.next((frame) => frame.event === 'phx_reply' && frame.payload.status === 'ok');
    await remove(bob);
    expect(await socket.next((frame) => frame.event === 'phx_close')).toMatchObject({ topic, payload: {} });
    await post();
    socket.send({ topic: 'phoenix', event: 'heartbeat', payload: {}, ref: '2' });
    expect(await socket.next((frame) => frame.event === 'message' || frame.ref === '2')).toMatchObject({
      ref: '2',
    });
  });

  test('keeps its other topics', async () => {
    const bobs = await joined(bob);
    const other = await addGroup(server, bob, ann);
    const topic = `session:${other}`;
    bobs.socket.send(['9', '9', topic, 'phx_join', {}]);
    await bobs.socket.next((frame) => frame[1] === '9');
    await remove(bob);
    await expectClosed(bobs);
    await server.api('POST', `/api/sessions/${other}/messages`, { as: ann, body: { content: {} } });
    await bobs.socket.next((frame) => frame[2] === topic && frame[3] === 'message');
  });

  test('is closed out within 5 s when it was removed elsewhere', { timeout: 15_000 }, async () => {
    const client = await joined(bob);
    const database = new Client(server.database.target);
    await database.connect();
    await database.query(
      'update session_members set left_at = now(), listed = false where session_id = $1 and participant_id = $2',
      [sessionId, bob],
    );
    await database.end();
    await waitUntil(() => eventsOf(client).includes('phx_close'), { timeoutMs: 7_000 });
    await post();
    await client.socket.settle();
    expect(eventsOf(client).at(-1)).toBe('phx_close');
  });

  test('who leaves is closed out too', async () => {
    const bobs = await joined(bob);
    await remove(bob, bob);
    await expectClosed(bobs);
  });

  test('sees nothing later when it was still catching up', { timeout: 30_000 }, async () => {
    // More than the socket's queue and the kernel's buffers hold.
    const count = 300;
    const writer = await joined(ann);
    const content = { text: 'x'.repeat(30_000) };
    const refs = Array.from({ length: count }, () => writer.write('send', { content: { content } }));
    for (const ref of refs) await writer.answerTo(ref);
    const bobs = resources.use(await SessionClient.open(server.socketUrl(bob), sessionId));
    expect((await bobs.join({ last_seq: 0, limit: 1 })).status).toBe('ok');
    bobs.socket.pause();
    await remove(bob);
    await post();
    bobs.socket.resume();
    await expectClosed(bobs);
    expect(bobs.seqs.length).toBeLessThan(count);
  });

  test('sees nothing later when it had stopped reading', async () => {
    const text = 'x'.repeat(30_000);
    for (let n = 0; n < 20; n += 1) await post(text);
    const bobs = await joined(bob, { limit: 1 });
    bobs.socket.pause();
    for (let n = 0; n < 20; n += 1) await post(text);
    await remove(bob);
    const seq = await post();
    bobs.socket.resume();
    await expectClosed(bobs);
    expect(bobs.seqs).not.toContain(seq);
  });

  test('that is just joining is refused or closed out, and never stays', { timeout: 30_000 }, async () => {
    const clients = await Promise.all(
      Array.from({ length: 8 }, async () =>
        resources.use(await SessionClient.open(server.socketUrl(bob), sessionId)),
      ),
    );
    const ends = { refused: 0, closed: 0 };
    for (let round = 0; round < 25; round += 1) {
      // Half of them join before the removal begins, the others while it is under way, one after the other.
      const [before, during] = [clients.slice(0, 4), clients.slice(4)];
      const joins = before.map((client) => client.join({ limit: 1 }));
      const removing = remove(bob);
      joins.push(...during.map((client, index) => joinAfter(client, index, { limit: 1 })));
      await removing;
      const seq = await post(`round ${round}`);
      for (const [index, client] of clients.entries()) {
        const answer = await joins[index]!;
        const isRefused = answer.status === 'error';
        ends[isRefused ? 'refused' : 'closed'] += 1;
        if (isRefused) expect(answer.response.reason).toBe('session_not_found');
        else await expectClosed(client);
        await client.socket.settle();
        expect(client.seqs).not.toContain(seq);
      }
      await add(bob);
    }
    // Both ways are taken, or the race was none.
    expect(ends.refused).toBeGreaterThan(0);
    expect(ends.closed).toBeGreaterThan(0);
  });

  test('comes back as a member: with everything read, and its topic live', async () => {
    const bobs = await joined(bob);
    await bobs.say('mine');
    await remove(bob);
    await expectClosed(bobs);
    await post();
    await add(bob);
    expect((await bobs.join()).status).toBe('ok');
    expect((await bobs.push('read', { seq: 0 })).response).toEqual({ last_read_seq: 2, unread_count: 0 });
    const seq = await post();
    await waitUntil(() => bobs.seqs.includes(seq));
    expect((await bobs.push('read', { seq: 0 })).response).toEqual({ last_read_seq: 2, unread_count: 1 });
  });
});

describe('locks', () => {
  /** Holds the session's row until it is disposed of. */
  async function holdSession(): Promise<{ release: () => Promise<void>; waiting: () => Promise<number> }> {
    const holder = new Client({ connectionString: server.database.url });
    await holder.connect();
    resources.defer(() => holder.end());
    await holder.query('begin');
    await holder.query('select 1 from chat_sessions where id = $1 for no key update', [sessionId]);
    return {
      release: async () => void (await holder.query('commit')),
      waiting: async () => {
        const { rows } = await holder.query(
          `select count(*)::int as count from pg_stat_activity
           where datname = current_database() and wait_event_type = 'Lock'`,
        );
        return rows[0].count;
      },
    };
  }

  test('membership and status changes wait for who holds the session', async () => {
    const held = await holdSession();
    const calls = [
      server.api('DELETE', `/api/sessions/${sessionId}/members/${cat}`),
      server.api('PUT', `/api/sessions/${sessionId}/members/${bob}`, { body: { wake: 'never' } }),
      server.api('PATCH', `/api/sessions/${sessionId}`, { body: { status: 'closed' } }),
    ];
    await waitUntil(async () => (await held.waiting()) === calls.length);
    await held.release();
    for (const { status } of await Promise.all(calls)) expect(status).toBe(200);
    const { body } = await server.api('GET', `/api/sessions/${sessionId}`);
    expect(body.session).toMatchObject({ version: 4, status: 'closed' });
  });

  test('marking read waits for nobody but the reader', async () => {
    await post();
    await holdSession();
    const answer = await server.api('POST', `/api/sessions/${sessionId}/read`, { as: bob });
    expect(answer.status).toBe(200);
  });
});

describe('what readers are told of a session', () => {
  test('its status, metadata and members, each change once and with its version', async () => {
    const readers = [await joined(ann), await joined(bob), await joined()];
    await server.api('PATCH', `/api/sessions/${sessionId}`, { body: { metadata: { topic: 'tea' } } });
    await server.api('PATCH', `/api/sessions/${sessionId}`, { body: { status: 'closed' } });
    await server.api('PATCH', `/api/sessions/${sessionId}`, { body: { status: 'closed' } });
    await remove(cat);
    await add(cat);
    const { body } = await server.api('GET', `/api/sessions/${sessionId}`);
    for (const reader of readers) {
      const told = [];
      for (const version of [2, 3, 4, 5]) {
        const frame = await reader.socket.next((each) => each[3] === 'session');
        expect(frame[4].version).toBe(version);
        told.push(frame[4]);
      }
      expect(told[0]).toMatchObject({ metadata: { topic: 'tea' }, status: 'open' });
      expect(told.at(-1)).toEqual(body.session);
      expect((await reader.socket.settle()).filter((frame) => frame[3] === 'session')).toEqual([]);
    }
  });

  test('a reader that is just joining, or catching up, misses no change', { timeout: 30_000 }, async () => {
    await (await joined(ann)).sayMany(300);
    const readers = await Promise.all(
      [0, 1, 2, 3].map(async () => resources.use(await SessionClient.open(server.socketUrl(bob), sessionId))),
    );
    for (let version = 2; version <= 20; version += 1) {
      const joins = readers.map((reader, index) => joinAfter(reader, index, { last_seq: 0, limit: 1 }));
      await server.api('PATCH', `/api/sessions/${sessionId}`, { body: { metadata: { version } } });
      for (const [index, reader] of readers.entries()) {
        const { response } = await joins[index]!;
        if (response.session.version < version)
          await reader.socket.next((frame) => frame[3] === 'session' && frame[4].version === version);
      }
    }
  });
});
