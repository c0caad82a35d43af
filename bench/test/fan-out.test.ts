import { startTestServer, type TestServer } from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ChatServer, chatServer, type DirectSession } from '../src/chat-server.ts';
import { ChannelSocket } from '../src/load/channel-socket.ts';
import { LoadProcess } from '../src/load/load-process.ts';
import { startPeer } from '../src/peers/peer-server.ts';

const subscribers = 6;
const order = { seconds: 0.05, messages: 5 };

let resources: AsyncDisposableStack;
let testServer: TestServer;
let server: ChatServer;
let session: DirectSession;

beforeAll(async () => {
  resources = new AsyncDisposableStack();
  testServer = resources.use(await startTestServer());
  server = chatServer({ url: testServer.url, pid: null, secret: null, hasParticipants: false });
  [session] = (await server.sessions(1)) as [DirectSession];
});

afterAll(() => resources.disposeAsync());

describe('fan-out', () => {
  test('every subscriber of a session gets every message that was stored', async () => {
    const { id } = session;
    await using own = await openOwn();
    const { count } = await own.run(order);
    expect(count).toBe((await lastSeqOf(id)) * subscribers);
    const single = await own.run({ ...order, messages: 1 });
    expect(count + single.count).toBe((await lastSeqOf(id)) * subscribers);
  });

  test('its peers deliver the same', async () => {
    await using own = await openOwn();
    const { pieces } = await own.run(order);
    expect(pieces).toHaveLength(2);
    const env = { DATABASE_URL: testServer.database.url };
    await using bareServer = await startPeer('bare-ws-server');
    await using socketIoServer = await startPeer('socket-io-server', env);
    await using bare = await LoadProcess.open('bare fan-out', { url: bareServer.url, subscribers });
    await using socketIo = await LoadProcess.open('socket.io fan-out', {
      url: socketIoServer.url,
      subscribers,
    });
    expect((await bare.run({ ...order, pieces })).pieces).toEqual(pieces);
    const room = await socketIo.run({ ...order, pieces });
    const message = pieces.join('id').replace(/^[^{]*/, '');
    expect(room.pieces.join('id')).toBe(`42["message",${message}`);
  });
});

describe('idle', () => {
  test('opens as many sockets as are missing, and keeps them', async () => {
    const members = await Promise.all(
      [session.initiatorId, session.peerId, session.peerId].map(async (member) => ({
        url: await server.socketUrl(member),
        topic: `session:${session.id}`,
      })),
    );
    await using load = await LoadProcess.open('idle', { members });
    for (const sockets of [1, 3]) {
      await load.run({ sockets, seconds: 0 });
      expect(await openConnections()).toBe(sockets);
    }
  });

  test('a heartbeat is answered', async () => {
    const socket = await ChannelSocket.open(await server.socketUrl(session.peerId));
    expect(await new Promise((resolve) => socket.heartbeat(resolve))).toEqual({ status: 'ok', response: {} });
    socket.close();
  });
});

async function openOwn() {
  const { id, initiatorId, peerId } = session;
  const urls = await Promise.all([initiatorId, peerId].map((member) => server.socketUrl(member)));
  return LoadProcess.open('fan-out', { urls, topic: `session:${id}`, subscribers });
}

async function lastSeqOf(sessionId: string): Promise<number> {
  return (await server.call('GET', `/api/sessions/${sessionId}/messages?limit=1`))['last_seq'] as number;
}

async function openConnections(): Promise<number> {
  const text = await (await fetch(new URL('/metrics', testServer.url))).text();
  return Number(/^fleetlm_connections_open (\d+)$/m.exec(text)?.[1]);
}
