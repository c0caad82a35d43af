import { fillInbox, startTestServer, type TestServer } from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCatchUp } from '../src/load/catch-up.ts';
import { openInboxPages } from '../src/load/inbox-pages.ts';
import { openInboxUpdates } from '../src/load/inbox-updates.ts';
import { openJoin } from '../src/load/join.ts';
import { openReconnect } from '../src/load/reconnect.ts';

// Loads that a scenario runs in their own processes, here in this one and tiny: they measure what they say, and
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

function pathOf(topic: string): string {
  return `/api/sessions/${topic.slice('session:'.length)}/messages`;
}

async function idsOf(topic: string): Promise<string[]> {
  const { body } = await server.api('GET', `${pathOf(topic)}?limit=200&after_seq=0`);
  return body.messages.map(({ id }: { id: string }) => id);
}

async function sendTo(topic: string): Promise<string> {
  const { body } = await server.api('POST', pathOf(topic), {
    body: { sender_id: writer, content: { text: 'You are away.' } },
  });
  return body.message.id;
}

describe('join', () => {
  const followed = () => ({ url: server.socketUrl(writer), topics: topics.slice(0, 3) });
  const urls = () => [server.socketUrl(reader), server.socketUrl(reader)];

  test('joins each topic once, leaves it, and joins again', async () => {
    const load = await openJoin({ urls: urls(), follower: followed(), messages });
    const mine = [topics.slice(0, 3), topics.slice(3, 5)];
    for (let run = 0; run < 2; run += 1) {
      expect(await load.run({ step: 'join', topics: mine })).toMatchObject({ count: 5 });
      expect(await load.run({ step: 'leave' })).toBeNull();
    }
  });

  test('a page that is not whole is no join', async () => {
    const load = await openJoin({ urls: urls(), messages: messages + 1 });
    const joining = load.run({ step: 'join', topics: [topics.slice(0, 1), []] });
    await expect(joining).rejects.toThrow(`showed ${messages} of ${messages} messages`);
  });
});

describe('catch up', () => {
  const readerOf = async (topic: string) => ({
    url: server.socketUrl(reader),
    topic,
    ids: await idsOf(topic),
  });

  test('readers get all of their sessions, again and again', async () => {
    const readers = await Promise.all(topics.slice(5, 8).map(readerOf));
    const load = await openCatchUp({ readers });
    const result = await load.run({ seconds: 0.05, readers: 2 });
    expect(result.messages).toBeGreaterThanOrEqual(2 * messages);
    expect(result.messages % messages).toBe(0);
  });

  test('another message than the one that was missed', async () => {
    const { ids, ...order } = await readerOf(topics[8]!);
    const load = await openCatchUp({ readers: [{ ...order, ids: ids.toReversed() }] });
    await expect(load.run({ seconds: 0.05, readers: 1 })).rejects.toThrow(
      `message ${ids[0]} came when ${ids.at(-1)} was next`,
    );
  });

  test('more messages than were missed', async () => {
    const { ids, ...order } = await readerOf(topics[9]!);
    const load = await openCatchUp({ readers: [{ ...order, ids: ids.slice(0, -1) }] });
    await expect(load.run({ seconds: 0.05, readers: 1 })).rejects.toThrow('came when none was next');
  });
});

describe('reconnect', () => {
  const openMembers = (mine: readonly string[]) =>
    openReconnect({ members: mine.map((topic) => ({ url: server.socketUrl(reader), topic })) });

  test('everybody gets what was said meanwhile, each time', async () => {
    const mine = topics.slice(10, 20);
    const load = await openMembers(mine);
    for (let round = 0; round < 2; round += 1) {
      expect(await load.run({ step: 'drop' })).toBeNull();
      const missed = await Promise.all(mine.map(async (topic) => [await sendTo(topic), await sendTo(topic)]));
      const result = await load.run({ step: 'return', missed });
      expect(result).toMatchObject({ messages: 20, failures: {} });
    }
  });

  test('one that nobody should have missed is found', async () => {
    const load = await openMembers(topics.slice(20, 21));
    await load.run({ step: 'drop' });
    const ids = [await sendTo(topics[20]!), await sendTo(topics[20]!)];
    const returning = load.run({ step: 'return', missed: [ids.slice(0, 1)] });
    await expect(returning).rejects.toThrow(`message ${ids[1]} came when none was next`);
  });
});

describe('inboxes', () => {
  test('a first page of each in turn', async () => {
    const load = await openInboxPages({ url: server.url, participantIds: [reader, writer], pageSize: 50 });
    const times = await load.run({ seconds: 0.02 });
    expect(times).toHaveLength(2);
    for (const { p50 } of times) expect(p50).toBeGreaterThan(0);
  });

  test('a page of another size', async () => {
    const load = await openInboxPages({ url: server.url, participantIds: [reader], pageSize: 49 });
    await expect(load.run({ seconds: 0.02 })).rejects.toThrow('a first page has 50 conversations');
  });

  test('each message is in an update, alone or with many', async () => {
    const senders = [
      { url: server.socketUrl(writer), topics: topics.slice(30, 40) },
      { url: server.socketUrl(writer), topics: topics.slice(40, 50) },
    ];
    const load = await openInboxUpdates({
      inboxes: [{ url: server.socketUrl(reader), topic: `inbox:${reader}`, senders }],
    });
    const single = await load.run({ seconds: 0.01, inboxes: [0], messages: 1 });
    expect(single).toMatchObject({ messages: 1, times: [{ p50: expect.any(Number) }] });
    expect(await load.run({ seconds: 0.01, inboxes: [0], messages: 20 })).toMatchObject({ messages: 20 });
  });
});
