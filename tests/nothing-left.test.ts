import { connect, type Socket } from 'node:net';
import {
  addGroup,
  addParticipants,
  RawSocket,
  SessionClient,
  startTcpProxy,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** One pool, full from the first round on; actors that end soon after their last reader. */
const env = {
  FLEETLM_DB_POOL_SIZE: '2',
  FLEETLM_SESSION_IDLE_MS: '30',
  FLEETLM_SOCKET_FRAME_BYTES: '2000',
};

describe('I29: clients of all kinds come and go, again and again', () => {
  const clientsOfEachKind = 5;
  let server: TestServer;
  let sessionId: string;

  beforeAll(async () => {
    server = await startTestServer({ env });
    await addParticipants(server, 'user:alice', 'user:bob');
    sessionId = await addGroup(server, 'user:alice', 'user:bob');
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const join = async () => {
    const client = await SessionClient.open(server.socketUrl('user:bob'), sessionId);
    await client.join();
    return client;
  };

  /** Each ends when its connection is gone for the client. */
  const kinds: Readonly<Record<string, () => Promise<unknown>>> = {
    'leaves its topic and closes': async () => {
      const client = await join();
      await client.push('phx_leave');
      await client.socket.close();
    },
    'closes while it is joined': async () => (await join()).socket.close(),
    'goes without a word': async () => (await join())[Symbol.asyncDispose](),
    'goes while it joins': async () => {
      const client = await SessionClient.open(server.socketUrl('user:bob'), sessionId);
      client.write('phx_join');
      await client[Symbol.asyncDispose]();
    },
    'goes while it sends': async () => {
      const client = await join();
      for (let n = 0; n < 5; n += 1) client.write('send', { content: { content: { n } } });
      await client[Symbol.asyncDispose]();
    },
    'goes while it follows its inbox': async () => {
      const socket = await RawSocket.open(server.socketUrl('user:bob'));
      socket.send(['1', '1', 'inbox:user:bob', 'phx_join', {}]);
      await socket.next();
      await socket[Symbol.asyncDispose]();
    },
    'sends nonsense': async () => {
      const client = await join();
      client.socket.send('nonsense');
      await client.socket.closed;
    },
    'sends too much at once': async () => {
      const client = await join();
      client.socket.send('x'.repeat(3_000));
      await client.socket.closed;
    },
    'is refused': () => RawSocket.open(server.socketUrl('')).catch(() => undefined),
    'connects and goes': async () => {
      const socket = await connected(server);
      socket.destroy();
    },
    'goes within a request': async () => {
      const socket = await connected(server);
      socket.write('POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{');
      socket.destroy();
    },
    'goes within its handshake': async () => {
      const socket = await connected(server);
      socket.write('GET /socket/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: webso');
      socket.destroy();
    },
  };

  async function round(): Promise<void> {
    const all = Object.values(kinds).flatMap((kind) => Array.from({ length: clientsOfEachKind }, kind));
    await Promise.all(all);
  }

  function countsAreZero(): boolean {
    return Object.values(server.server.counts).every((count) => count === 0);
  }

  test('counts are zero, and timers, sockets and the rest are what they were', {
    timeout: 60_000,
  }, async () => {
    await round();
    await waitUntil(countsAreZero, { what: 'nothing to be left' });
    let baseline = await untilSteady();
    for (let n = 0; n < 4; n += 1) {
      await round();
      await waitUntil(countsAreZero, { what: 'nothing to be left' });
      const left = await untilAtMost(baseline);
      // Less is better: what the first round left for a while is gone.
      baseline = left;
    }
  });

  /** What the process holds, when that no longer changes from one look to the next. */
  async function untilSteady(): Promise<Record<string, number>> {
    let before = '';
    await waitUntil(() => {
      const now = JSON.stringify(resources());
      // A connection to Postgres has a timer while it is idle: none may be in use.
      const isSteady = now === before && countsAreZero();
      before = now;
      return isSteady;
    });
    return resources();
  }

  async function untilAtMost(baseline: Record<string, number>): Promise<Record<string, number>> {
    const more = () => Object.entries(resources()).filter(([name, count]) => count > (baseline[name] ?? 0));
    await waitUntil(() => more().length === 0).catch(() => {});
    expect(Object.fromEntries(more())).toEqual({});
    return resources();
  }

  /** `waitUntil` itself takes a timer now and then: those that last are counted. */
  function resources(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const name of process.getActiveResourcesInfo()) {
      if (name !== 'Immediate') counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  }
});

describe('clients that vanish', { concurrent: true, timeout: 30_000 }, () => {
  test('S21: half-open sockets are given up: 4009, and cut when that is not answered', async ({ expect }) => {
    await using server = await startTestServer({ env: { FLEETLM_SOCKET_IDLE_MS: '300' } });
    await using network = await startTcpProxy(Number(new URL(server.url).port));
    const url = server.socketUrl('user:alice').replace(/:\d+\//, `:${network.port}/`);
    const sockets = await Promise.all(Array.from({ length: 20 }, () => RawSocket.open(url)));
    expect(server.server.counts.connections).toBe(20);
    network.silence();
    // The close frame is answered by nobody: ws waits 5 s for that.
    await waitUntil(() => server.server.counts.connections === 0, { timeoutMs: 15_000 });
    for (const socket of sockets) socket.terminate();
  });

  test('S21: a frame that never ends is no sign of life', async ({ expect }) => {
    await using server = await startTestServer({ env: { FLEETLM_SOCKET_IDLE_MS: '300' } });
    await using socket = await RawSocket.open(server.socketUrl('user:alice'));
    socket.writeBytes(Buffer.from([0x81, 0xfe, 0x40, 0, 0, 0, 0, 0]));
    const drip = setInterval(() => socket.writeBytes(Buffer.from('x')), 20);
    expect(await socket.closed).toEqual({ code: 4009, reason: 'no_heartbeat' });
    clearInterval(drip);
  });

  test('S20: beyond the most connections new ones are hung up on; when some go others may come', async ({
    expect,
  }) => {
    await using server = await startTestServer({ env: { FLEETLM_MAX_CONNECTIONS: '3' } });
    const silent = await Promise.all(Array.from({ length: 2 }, () => connected(server)));
    await using socket = await RawSocket.open(server.socketUrl('user:alice'));
    const refused = await connected(server);
    await waitUntil(() => refused.closed);
    expect(await socket.settle()).toEqual([]);
    for (const each of silent) each.destroy();
    await waitUntil(async () => {
      const opened = await RawSocket.open(server.socketUrl('user:bob')).catch(() => null);
      await opened?.[Symbol.asyncDispose]();
      return opened !== null;
    });
  });
});

async function connected({ url }: Pick<TestServer, 'url'>): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => undefined).resume();
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once('connect', resolve);
  await promise;
  return socket;
}
