import { RawSocket, waitUntil } from '@fleetlm/testkit';
import { describe, expect, test } from 'vitest';
import { startSocketFixture } from './socket-fixture.ts';

const topic = 'room:1';
const alice = '?participant_id=user:alice';

/** Frames that nothing gives back within the test. */
const frames = { perSecond: 0.001, burst: 5 };

describe('a ping', () => {
  test('is answered with its payload, and is a sign of life', async () => {
    const fixture = await startSocketFixture({ sockets: { idleMs: 200 } });
    const [pinging, silent] = [await fixture.connect(), await fixture.connect()];
    const beat = setInterval(() => pinging.writeBytes(controlFrame(0x89, 'hello')), 20);
    expect((await silent.closed).code).toBe(4009);
    clearInterval(beat);
    expect(new Set(pinging.pongs)).toEqual(new Set(['hello']));
    expect((await pinging.closed).code).toBe(4009);
  });

  test('S19: of a client that does not read costs no memory; its newest is answered when it reads', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    socket.pause();
    // As pongs, more than the kernel takes for a client that does not read.
    const many = Buffer.concat(Array.from({ length: 500 }, () => controlFrame(0x89, 'x'.repeat(120))));
    for (let round = 1; round <= 150; round += 1) {
      socket.writeBytes(many);
      socket.send(['1', `${round}`, topic, 'echo', {}]);
      await waitUntil(() => fixture.channel(topic).handled.length === round);
    }
    expect(fixture.server.queuedBytes).toBeLessThan(256 << 10);
    socket.writeBytes(controlFrame(0x89, 'the last'));
    socket.resume();
    await waitUntil(() => socket.pongs.at(-1) === 'the last');
  });
});

describe('S21: a pong', () => {
  test('is no sign of life', async () => {
    const fixture = await startSocketFixture({ sockets: { idleMs: 100 } });
    const socket = await fixture.connect();
    const beat = setInterval(() => socket.writeBytes(controlFrame(0x8a, '')), 10);
    expect(await socket.closed).toEqual({ code: 4009, reason: 'no_heartbeat' });
    clearInterval(beat);
  });
});

describe('S12: a flood of control frames', () => {
  test.each([
    ['pings', 0x89],
    ['pongs', 0x8a],
  ])('%s: counts as one of frames, and is closed with 1008', async (_name, firstByte) => {
    const fixture = await startSocketFixture({ rates: { frames } });
    const control = await fixture.connect();
    const socket = await RawSocket.open(`${fixture.url}${alice}`);
    socket.writeBytes(Buffer.concat(Array.from({ length: 300 }, () => controlFrame(firstByte, 'x'))));
    expect(await socket.closed).toEqual({ code: 1008, reason: 'rate_limited' });
    expect(await control.settle()).toEqual([]);
  });

  test('a large frame counts several times', async () => {
    const fixture = await startSocketFixture({ rates: { frames } });
    const socket = await RawSocket.open(`${fixture.url}${alice}`);
    socket.send([null, '1', 'phoenix', 'heartbeat', { text: 'x'.repeat(60 << 10) }]);
    socket.send([null, '2', 'phoenix', 'heartbeat', {}]);
    socket.send([null, '3', 'phoenix', 'heartbeat', {}]);
    const statuses = (await socket.take(3)).map((frame) => frame[4].status);
    expect(statuses).toEqual(['ok', 'ok', 'error']);
  });
});

/** A control frame of a client, with mask 0. */
function controlFrame(firstByte: number, text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([firstByte, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}
