import { fillInbox, startTestServer, type TestServer, waitUntil } from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCatchUp } from '../src/load/catch-up.ts';
import { ChannelSocket, type Reply } from '../src/load/channel-socket.ts';
import { openFanOut } from '../src/load/fan-out.ts';
import { openIdle } from '../src/load/idle.ts';
import { openInboxUpdates } from '../src/load/inbox-updates.ts';
import { openJoin } from '../src/load/join.ts';
import { openReconnect } from '../src/load/reconnect.ts';

// Loads that a scenario runs in their own processes, here in this one and tiny: they count what there is, and
// stop when it is not what they see. Their sockets end with the server.

const [reader, writer] = ['user:reader', 'user:writer'];
const sessionCount = 60;
const messages = 12;

let server: TestServer;
let topics: string[];
const unlimited = { FLEETLM_RATE_MESSAGES: '0', FLEETLM_RATE_FRAMES: '0' };

beforeAll(async () => {
  server = await startTestServer({ env: unlimited });
  const filled = { participantId: reader, peerId: writer, count: sessionCount, messages };
  topics = (await fillInbox(server.database.url, filled)).map((id) => `session:${id}`);
});
afterAll(() => server[Symbol.asyncDispose]());

describe('fan-out', () => {
  test('every subscriber of a session gets every message that was stored', async () => {
    const topic = topics[50]!;
    const members = [reader, writer].map((id) => ({ url: server.socketUrl(id), topic }));
    const load = await openFanOut({ members, subscribers: 6 });
    const bursts = await load.run({ seconds: 0.05, messages: 5 });
    expect(bursts.count).toBe(((await lastSeqOf(topic)) - messages) * 6);
    const single = await load.run({ seconds: 0.05, messages: 1 });
    expect(bursts.count + single.count).toBe(((await lastSeqOf(topic)) - messages) * 6);
  });
});

describe('a socket', () => {
  test('answers what was on its way when it is closed, once, though its user goes on', async () => {
    const socket = await ChannelSocket.open(server.socketUrl(reader));
    const answers: string[] = [];
    const push = () => socket.push('phoenix', 'heartbeat', '{}', onReply);
    const onReply = ({ status }: Reply) => {
      answers.push(status);
      if (answers.length < 1_000) push();
    };
    push();
    socket.close();
    await waitUntil(() => !socket.isOpen);
    expect(answers).toEqual(['closed']);
  });
});

describe('idle', () => {
  test('opens as many sockets as are missing, and keeps them', async () => {
    const members = topics.slice(51, 54).map((topic) => ({ url: server.socketUrl(reader), topic }));
    const load = await openIdle({ members, heartbeatMs: 1_000 });
    const before = await openConnections();
    for (const sockets of [1, 3]) {
      await load.run({ sockets, seconds: 0 });
      expect((await openConnections()) - before).toBe(sockets);
    }
  });

  test('each socket beats, from some time on, again and again', async () => {
    const socket = await ChannelSocket.open(server.socketUrl(reader), { heartbeatMs: 5 });
    await waitUntil(() => socket.heartbeats > 2);
    socket.close();
  });
});

describe('join', () => {
  const joiners = () =>
    [topics.slice(0, 3), topics.slice(3, 5)].map((own) => ({ url: server.socketUrl(reader), topics: own }));

  test('joins again what it has left', async () => {
    const follower = { url: server.socketUrl(writer), topics: topics.slice(0, 5) };
    const load = await openJoin({ joiners: joiners(), inFlight: 2, follower, messages });
    // Two joins each, of five sessions.
    for (let run = 0; run < 4; run += 1) {
      expect(await load.run({ seconds: 0 })).toMatchObject({ count: 2, failures: {} });
    }
  });

  test('a page that is not whole is a failure', async () => {
    const load = await openJoin({ joiners: joiners(), inFlight: 1, messages: messages + 1 });
    const { count, failures } = await load.run({ seconds: 0 });
    expect(count).toBe(0);
    expect(failures).toEqual({ [`showed ${messages} of ${messages + 1} messages`]: 1 });
  });
});

describe('catch-up', () => {
  test('readers get all of their sessions, again and again', async () => {
    const readers = await Promise.all(topics.slice(5, 8).map(readerOf));
    const load = await openCatchUp({ readers });
    const { count } = await load.run({ seconds: 0.02, readers: 2 });
    expect(count).toBeGreaterThanOrEqual(2 * messages);
    expect(count % messages).toBe(0);
  });

  test('another message than the one that was missed', async () => {
    const { ids, ...order } = await readerOf(topics[8]!);
    const load = await openCatchUp({ readers: [{ ...order, ids: ids.toReversed() }] });
    await expect(load.run({ seconds: 0, readers: 1 })).rejects.toThrow(
      `message ${ids[0]} came when ${ids.at(-1)} was next`,
    );
  });

  test('more messages than were missed', async () => {
    const { ids, ...order } = await readerOf(topics[9]!);
    const load = await openCatchUp({ readers: [{ ...order, ids: ids.slice(0, -1) }] });
    await expect(load.run({ seconds: 0, readers: 1 })).rejects.toThrow('came when none was next');
  });
});

describe('reconnect', () => {
  const openMembers = (mine: readonly string[]) =>
    openReconnect({ members: mine.map((topic) => ({ url: server.socketUrl(reader), topic })) });

  test('everybody gets what was said meanwhile, each time', async () => {
    const mine = topics.slice(10, 20);
    const load = await openMembers(mine);
    for (let round = 0; round < 2; round += 1) {
      const missed = await Promise.all(mine.map(async (topic) => [await sendTo(topic), await sendTo(topic)]));
      expect(await load.run({ missed })).toMatchObject({ messages: 20, failures: {} });
    }
  });

  test('a message that nobody should have missed', async () => {
    const load = await openMembers(topics.slice(20, 21));
    const ids = [await sendTo(topics[20]!), await sendTo(topics[20]!)];
    const returning = load.run({ missed: [ids.slice(0, 1)] });
    await expect(returning).rejects.toThrow(`message ${ids[1]} came when none was next`);
  });
});

test('each message is in an update of the inbox, alone or with many', async () => {
  const senders = [topics.slice(30, 40), topics.slice(40, 50)].map((own) => ({
    url: server.socketUrl(writer),
    topics: own,
  }));
  const inboxes = [{ url: server.socketUrl(reader), topic: `inbox:${reader}`, senders }];
  const load = await openInboxUpdates({ inboxes });
  const single = await load.run({ seconds: 0, inboxes: [0], messages: 1 });
  expect(single).toMatchObject({ count: 1, times: [{ p50: expect.any(Number) }] });
  expect(await load.run({ seconds: 0, inboxes: [0], messages: 20 })).toMatchObject({ count: 20 });
});

function pathOf(topic: string): string {
  return `/api/sessions/${topic.slice('session:'.length)}/messages`;
}

async function readerOf(topic: string) {
  const { body } = await server.api('GET', `${pathOf(topic)}?limit=200&after_seq=0`);
  const ids: string[] = body.messages.map(({ id }: { id: string }) => id);
  return { url: server.socketUrl(reader), topic, ids };
}

async function lastSeqOf(topic: string): Promise<number> {
  return (await server.api('GET', `${pathOf(topic)}?limit=1`)).body.last_seq;
}

async function sendTo(topic: string): Promise<string> {
  const { body } = await server.api('POST', pathOf(topic), {
    body: { sender_id: writer, content: { text: 'You are away.' } },
  });
  return body.message.id;
}

async function openConnections(): Promise<number> {
  const text = await (await fetch(new URL('/metrics', server.url))).text();
  return Number(/^fleetlm_connections_open (\d+)$/m.exec(text)?.[1]);
}
