import { connect, createServer, type Socket } from 'node:net';
import { type RawSocket, waitUntil } from '@fleetlm/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeTextFrame } from '../../src/lib/websocket-frame.ts';
import { Flusher } from '../../src/socket/flusher.ts';
import { SendQueue } from '../../src/socket/send-queue.ts';
import { type SocketFixture, startSocketFixture } from './socket-fixture.ts';

const topic = 'room:1';
const mebibyte = 1 << 20;

describe('one socket', () => {
  let stack: AsyncDisposableStack;
  beforeEach(() => {
    stack = new AsyncDisposableStack();
  });
  afterEach(() => stack.disposeAsync());

  test('what is sent in one turn is one write', async () => {
    const { queue, client, writes } = await startQueue();
    for (let n = 0; n < 100; n += 1) queue.send(encodeTextFrame(`frame ${n}`));
    await Promise.resolve().then(() => queue.send(encodeTextFrame('from a promise')));
    expect(writes()).toBe(0);
    const expected = 100 * 2 + 'frame 0'.length * 10 + 'frame 10'.length * 90 + 16;
    await waitUntil(() => client.bytesRead === expected);
    expect(writes()).toBe(1);
  });

  test('a fast reader gets a burst beyond the bound', async () => {
    const { queue, client, slow } = await startQueue({ maxQueuedBytes: 100_000 });
    const frame = encodeTextFrame('x'.repeat(9_990));
    // Below what the kernel's buffers take: the bound is about what the reader leaves there.
    for (let n = 0; n < 40; n += 1) queue.send(frame);
    await waitUntil(() => client.bytesRead === 40 * frame.length);
    expect(slow()).toBe(0);
  });

  test('I28: a reader that stops is told off once, and its memory is bounded', async () => {
    const { queue, client, server, slow } = await startQueue({ maxQueuedBytes: mebibyte });
    client.pause();
    const frame = encodeTextFrame('x'.repeat(50_000));
    let most = 0;
    let sent = 0;
    while (slow() === 0) {
      for (let n = 0; n < 5; n += 1) queue.send(frame);
      sent += 5 * frame.length;
      most = Math.max(most, queue.waitingBytes);
      if (sent > 64 * mebibyte) throw new Error('the reader was never found slow');
      await new Promise(setImmediate);
    }
    expect(most).toBeLessThanOrEqual(mebibyte + frame.length);
    for (let n = 0; n < 100; n += 1) queue.send(frame);
    expect(queue.waitingBytes).toBe(server.writableLength);
    await new Promise(setImmediate);
    expect(slow()).toBe(1);
  });

  test('a single larger message is let through, and what little follows it', async () => {
    const { queue, client, slow } = await startQueue({ maxQueuedBytes: 100_000 });
    client.pause();
    const large = encodeTextFrame('x'.repeat(8 * mebibyte));
    queue.send(large);
    await new Promise(setImmediate);
    expect(queue.waitingBytes).toBeGreaterThan(100_000);
    const small = encodeTextFrame('after');
    queue.send(small);
    await new Promise(setImmediate);
    expect(slow()).toBe(0);
    client.resume();
    await waitUntil(() => client.bytesRead === large.length + small.length);
  });

  test('S19: no progress for the stall time', async () => {
    const { queue, client, slow } = await startQueue({ stallMs: 1_000 });
    await fillUp(queue, client);
    queue.sweep(0);
    queue.sweep(999);
    expect(slow()).toBe(0);
    queue.sweep(1_000);
    expect(slow()).toBe(1);
  });

  test('S19: slow progress is progress', async () => {
    const { queue, client, slow } = await startQueue({ stallMs: 1_000, maxQueuedBytes: 16 * mebibyte });
    await fillUp(queue, client);
    for (let nowMs = 0; queue.waitingBytes > 0; nowMs += 999) {
      queue.sweep(nowMs);
      const before = queue.waitingBytes;
      client.resume();
      await waitUntil(() => queue.waitingBytes < before);
      client.pause();
    }
    expect(slow()).toBe(0);
  });

  test('an empty queue never stalls', async () => {
    const { queue, slow } = await startQueue({ stallMs: 1_000 });
    queue.sweep(0);
    queue.sweep(10_000);
    expect(slow()).toBe(0);
  });

  test('drained: at once, later, never', async () => {
    const { queue, client } = await startQueue({ maxQueuedBytes: 16 * mebibyte });
    await queue.drained();
    await fillUp(queue, client);
    let isDrained = false;
    const drained = queue.drained().then(() => {
      isDrained = true;
    });
    await new Promise(setImmediate);
    expect(isDrained).toBe(false);
    client.resume();
    await drained;
    expect(queue.waitingBytes).toBeLessThanOrEqual(64 << 10);
    await fillUp(queue, client);
    const never = queue.drained();
    queue.close();
    await expect(never).rejects.toThrow('the socket is closed');
    await expect(queue.drained()).rejects.toThrow('the socket is closed');
  });

  test('nothing is written after the close frame', async () => {
    let isOpen = true;
    const { queue, writes } = await startQueue({}, () => isOpen);
    queue.send(encodeTextFrame('late'));
    isOpen = false;
    await new Promise(setImmediate);
    queue.send(encodeTextFrame('later'));
    queue.finish();
    expect(writes()).toBe(0);
    expect(queue.waitingBytes).toBe(0);
  });

  /** A queue on a real socket, with its reader, and how often the kernel was written to. */
  async function startQueue(limits: { maxQueuedBytes?: number; stallMs?: number } = {}, isOpen = () => true) {
    const { server, client } = await connectedPair(stack);
    const flusher = stack.adopt(new Flusher(), (each) => each.stop());
    let slow = 0;
    const queue = new SendQueue({
      socket: server,
      flusher,
      limits: { maxQueuedBytes: mebibyte, stallMs: 10_000, ...limits },
      owner: {
        get isOpen() {
          return isOpen();
        },
        tooSlow() {
          slow += 1;
          queue.close();
        },
      },
    });
    return { queue, client, server, writes: countWrites(server), slow: () => slow };
  }
});

describe('a connection', () => {
  test('S19: a reader that stops is closed with 4008, others are not', async () => {
    const fixture = await startSocketFixture({ sockets: { maxQueuedBytes: 200_000 } });
    const [stalled, other] = [await fixture.joined(topic), await fixture.joined(topic)];
    await other.next();
    stalled.pause();
    const received = countNews(other);
    const sent = await shoutUntilSlow(fixture, received);
    expect(fixture.logLines.some(({ fields }) => 'code' in fields && fields['code'] === 4008)).toBe(true);
    stalled.resume();
    expect(await stalled.closed).toEqual({ code: 4008, reason: 'slow_consumer' });
    await waitUntil(() => received() === sent);
  });

  test('S19: a reader that takes nothing for the stall time is closed with 4008', async () => {
    const fixture = await startSocketFixture({ sockets: { stallMs: 50, maxQueuedBytes: 64 * mebibyte } });
    const stalled = await fixture.joined(topic);
    await stalled.next();
    stalled.pause();
    const large = { text: 'x'.repeat(16 * mebibyte) };
    fixture.broadcast(topic, 'news', large);
    await waitUntil(() => fixture.channel(topic).leaves === 1);
    stalled.terminate();
    await waitUntil(() => fixture.server.connectionCount === 0);
  });

  test('a channel that waits for room is told when its client goes', async () => {
    const fixture = await startSocketFixture({ sockets: { maxQueuedBytes: 64 * mebibyte } });
    const stalled = await fixture.joined(topic);
    stalled.pause();
    const { port } = fixture.channel(topic);
    port.push('page', JSON.stringify('x'.repeat(16 * mebibyte)));
    const room = port.drained();
    stalled.terminate();
    await expect(room).rejects.toThrow('the socket is closed');
  });

  test('pongs and frames do not mix', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    await socket.next();
    const ping = Buffer.from([0x89, 0x84, 0, 0, 0, 0, 1, 2, 3, 4]);
    for (let n = 0; n < 50; n += 1) {
      socket.writeBytes(ping);
      socket.send(['1', `${n}`, topic, 'echo', { text: 'x'.repeat(n * 100) }]);
    }
    expect((await socket.take(50)).map((frame) => frame[1])).toEqual(
      Array.from({ length: 50 }, (_, n) => `${n}`),
    );
  });
});

async function connectedPair(stack: AsyncDisposableStack): Promise<{ server: Socket; client: Socket }> {
  const accepted = Promise.withResolvers<Socket>();
  const listener = createServer((socket) => accepted.resolve(socket));
  stack.defer(() => {
    listener.close();
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as { port: number };
  const client = connect(port, '127.0.0.1');
  client.resume();
  const server = await accepted.promise;
  for (const socket of [client, server]) {
    socket.on('error', () => undefined);
    stack.defer(() => {
      socket.destroy();
    });
  }
  return { server, client };
}

/** Counts what reaches the kernel, below the stream's own collecting. */
function countWrites(socket: Socket): () => number {
  let count = 0;
  for (const method of ['_write', '_writev'] as const) {
    const original = (socket[method] as (...args: unknown[]) => void).bind(socket);
    Object.assign(socket, {
      [method]: (...args: unknown[]) => {
        count += 1;
        original(...args);
      },
    });
  }
  return () => count;
}

/** Sends until the kernel takes no more. */
async function fillUp(queue: SendQueue, client: Socket): Promise<void> {
  client.pause();
  const frame = encodeTextFrame('x'.repeat(60_000));
  for (let waits = 0; waits < 3; waits = queue.waitingBytes > 2 * frame.length ? waits + 1 : 0) {
    queue.send(frame);
    await new Promise(setImmediate);
  }
}

function countNews(socket: RawSocket): () => number {
  return () => socket.texts.filter((text) => text.includes('news')).length;
}

/** Broadcasts until one of two readers is dropped, at the pace of the other. Returns how many it took. */
async function shoutUntilSlow(fixture: SocketFixture, received: () => number): Promise<number> {
  for (let sent = 1; sent <= 1_000; sent += 1) {
    fixture.broadcast(topic, 'news', { text: 'x'.repeat(60_000) });
    await waitUntil(() => received() === sent);
    if (fixture.channels.some((channel) => channel.leaves === 1)) return sent;
  }
  throw new Error('the reader was never found slow');
}
