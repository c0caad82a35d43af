import { waitUntil } from '@fleetlm/testkit';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ok } from '../../src/lib/result.ts';
import { type SocketFixture, startSocketFixture } from './socket-fixture.ts';

const topic = 'room:1';

afterEach(() => {
  vi.useRealTimers();
});

/** A server whose every caller is the service, until then. */
function startExpiring(expiresAtMs: () => number, sockets = {}): Promise<SocketFixture> {
  const authenticate = async () => ok({ kind: 'service', expiresAtMs: expiresAtMs() } as const);
  return startSocketFixture({ authenticate, sockets });
}

describe('S7: a token ends while its socket is open', () => {
  // Before the first sweep, and after some.
  test.each([200, 2_500])('after %i ms: every joined topic hears it, then 4001', async (ttlMs) => {
    let expiresAtMs = 0;
    const fixture = await startExpiring(() => {
      expiresAtMs = Date.now() + ttlMs;
      return expiresAtMs;
    });
    const socket = await fixture.joined(topic);
    socket.send(['2', '2', 'room:2', 'phx_join', {}]);
    socket.send(['3', '3', 'room:slow', 'phx_join', { gate: 'never' }]);
    await socket.take(3);
    expect(await socket.closed).toEqual({ code: 4001, reason: 'token_expired' });
    const lateMs = Date.now() - expiresAtMs;
    // Node's timers may be a millisecond early; a busy machine may be late.
    expect(lateMs).toBeGreaterThanOrEqual(-5);
    expect(lateMs).toBeLessThan(2_000);
    expect(socket.unread()).toEqual([
      ['1', null, topic, 'token_expired', {}],
      ['2', null, 'room:2', 'token_expired', {}],
    ]);
    expect(fixture.channels.map(({ leaves }) => leaves)).toEqual([1, 1, 1]);
  });

  test('V1 hears it too, and a socket without topics is closed without a word', async () => {
    const expiresAtMs = Date.now() + 300;
    const fixture = await startExpiring(() => expiresAtMs);
    const [v1, silent] = [await fixture.connect({ vsn: null }), await fixture.connect()];
    v1.send({ topic, event: 'phx_join', payload: {}, ref: '1', join_ref: '1' });
    await v1.take(2);
    expect((await v1.closed).code).toBe(4001);
    expect(v1.unread()).toEqual([{ topic, event: 'token_expired', payload: {}, ref: null }]);
    expect((await silent.closed).code).toBe(4001);
    expect(silent.texts).toEqual([]);
  });

  test('one that ends during the handshake', async () => {
    const fixture = await startExpiring(() => Date.now() - 1);
    expect((await (await fixture.connect()).closed).code).toBe(4001);
  });

  test('I32: what is broadcast and what is asked afterwards comes to nothing', async () => {
    const expiresAtMs = Date.now() + 300;
    const fixture = await startExpiring(() => expiresAtMs);
    const socket = await fixture.joined(topic);
    const channel = fixture.channel(topic);
    const shouting = setInterval(() => {
      if (channel.leaves === 0) fixture.broadcast(topic, 'news', {});
      // What a channel says that has not noticed.
      channel.port.push(channel.leaves === 0 ? 'before' : 'after', '{}');
    }, 1);
    await socket.closed;
    clearInterval(shouting);
    const frames = socket.unread();
    expect(frames.at(-1)).toEqual(['1', null, topic, 'token_expired', {}]);
    const events = new Set(frames.slice(0, -1).map((frame) => frame[3]));
    expect(events).toEqual(new Set(['welcome', 'news', 'before']));
  });

  test('I32: what a slow reader has not taken is not delivered any more', async () => {
    let expiresAtMs = Number.POSITIVE_INFINITY;
    const fixture = await startExpiring(() => expiresAtMs, { maxQueuedBytes: 64 << 20 });
    expiresAtMs = Date.now() + 400;
    const socket = await fixture.joined(topic);
    await socket.next();
    socket.pause();
    const text = 'x'.repeat(60_000);
    for (let n = 0; n < 500; n += 1) fixture.channel(topic).port.push('page', JSON.stringify({ n, text }));
    await waitUntil(() => fixture.channel(topic).leaves === 1);
    socket.resume();
    expect((await socket.closed).code).toBe(4001);
    const frames = socket.unread();
    expect(frames.at(-1)[3]).toBe('token_expired');
    expect(frames.length).toBeLessThan(500);
  });

  test('a clock that jumps is noticed by the next sweep', async () => {
    const hour = 3_600_000;
    const expiresAtMs = Date.now() + hour;
    const fixture = await startExpiring(() => expiresAtMs);
    const socket = await fixture.joined(topic);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + hour });
    expect((await socket.closed).code).toBe(4001);
  });
});
