import { startTestServer, type TestServer } from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ChatServer, chatServer, type DirectSession } from '../src/chat-server.ts';
import { ChannelSocket } from '../src/load/channel-socket.ts';
import { LoadProcess } from '../src/load/load-process.ts';
import { startPeer } from '../src/peers/peer-server.ts';

const subscribers = 6;
const order = { seconds: 0.1, messages: 5 };

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
  test('delivers to all subscribers of a session, and the same from its peers', async () => {
    const { id, initiatorId, peerId } = session;
    const urls = await Promise.all([initiatorId, peerId].map((member) => server.socketUrl(member)));
    await using own = await LoadProcess.open('fan-out', { urls, topic: `session:${id}`, subscribers });
    const { count, pieces } = await own.run(order);
    const { messages } = (await server.call('GET', `/api/sessions/${id}/messages?limit=200`)) as {
      messages: { content: { n: string } }[];
    };
    expect(count).toBe(messages.length * subscribers);
    expect(pieces).toHaveLength(2);
    expect(pieces[0]).toContain(`"session:${id}"`);
    expect((await own.run({ ...order, messages: 1 })).count % subscribers).toBe(0);

    await using bareServer = await startPeer('bare-ws-server');
    await using bare = await LoadProcess.open('bare fan-out', { url: bareServer.url, subscribers });
    expect((await bare.run({ ...order, pieces })).pieces).toEqual(pieces);

    const env = { DATABASE_URL: testServer.database.url };
    await using socketIoServer = await startPeer('socket-io-server', env);
    const { url } = socketIoServer;
    await using socketIo = await LoadProcess.open('socket.io fan-out', { url, subscribers });
    const room = await socketIo.run({ ...order, pieces });
    expect(room.pieces.join('')).toMatch(/^42\["message",\{"id":.*"n":""/);
    expect(room.count).toBeGreaterThan(0);
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
    await new Promise<void>((resolve) => socket.heartbeat(() => resolve()));
    socket.close();
  });
});

async function openConnections(): Promise<number> {
  const text = await (await fetch(new URL('/metrics', testServer.url))).text();
  return Number(/^fleetlm_connections_open (\d+)$/m.exec(text)?.[1]);
}
