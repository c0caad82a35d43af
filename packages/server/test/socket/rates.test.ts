import { HandshakeRefused, RawSocket } from '@fleetlm/testkit';
import { describe, expect, test } from 'vitest';
import { startSocketFixture } from './socket-fixture.ts';

const topic = 'room:1';
const tooFast = { status: 'error', response: { reason: 'rate_limited', retryable: true } };
const alice = '?participant_id=user:alice';

/** Frames that nothing gives back within the test. */
const frames = { perSecond: 0.001, burst: 5 };

describe('frames', () => {
  test('beyond the rate are answered with rate_limited, by their ref, and have no effect', async () => {
    const fixture = await startSocketFixture({ rates: { frames } });
    const socket = await RawSocket.open(`${fixture.url}${alice}`);
    socket.send(['1', '1', topic, 'phx_join', {}]);
    for (const ref of ['2', '3', '4', '5', '6']) socket.send(['1', ref, topic, 'echo', {}]);
    socket.send(['9', '9', 'room:2', 'phx_join', {}]);
    socket.send([null, '10', 'phoenix', 'heartbeat', {}]);
    const answers = await socket.take(9);
    // Told at once, ahead of what waits for the join.
    expect(answers.filter((answer) => answer[4].status === 'error')).toMatchObject([
      ['1', '6', topic, 'phx_reply', tooFast],
      ['9', '9', 'room:2', 'phx_reply', tooFast],
      [null, '10', 'phoenix', 'phx_reply', tooFast],
    ]);
    expect(fixture.channel(topic).handled).toHaveLength(4);
    expect(fixture.server.topicCount).toBe(1);
  });

  test('of all sockets of a participant count together, and others are not touched', async () => {
    const fixture = await startSocketFixture({ rates: { frames } });
    const greedy = await RawSocket.open(`${fixture.url}${alice}`);
    for (let ref = 0; ref < 6; ref += 1) greedy.send([null, ref, 'phoenix', 'heartbeat', {}]);
    await greedy.take(6);
    const second = await RawSocket.open(`${fixture.url}${alice}`);
    second.send([null, 'x', 'phoenix', 'heartbeat', {}]);
    expect(await second.next()).toMatchObject([null, 'x', 'phoenix', 'phx_reply', tooFast]);
    const bob = await RawSocket.open(`${fixture.url}?participant_id=user:bob`);
    expect(await bob.settle()).toEqual([]);
  });

  test('the service is not limited', async () => {
    const fixture = await startSocketFixture({ rates: { frames } });
    const socket = await fixture.connect();
    for (let ref = 0; ref < 50; ref += 1) socket.send([null, ref, 'phoenix', 'heartbeat', {}]);
    const answers = await socket.take(50);
    expect(answers.map((answer) => answer[4].status)).not.toContain('error');
  });

  test('a client that goes on regardless is closed with 1008, and not read any more', async () => {
    const fixture = await startSocketFixture({ rates: { frames } });
    const socket = await fixture.joined(topic, {});
    const offender = await RawSocket.open(`${fixture.url}${alice}`);
    for (let ref = 0; ref < 2_000; ref += 1) offender.send(['1', ref, topic, 'phx_join', {}]);
    expect(await offender.closed).toEqual({ code: 1008, reason: 'rate_limited' });
    const refused = offender.unread().filter((frame) => frame[4].response.reason === 'rate_limited');
    // Its patience is a hundred, and comes back at ten a second.
    expect(refused.length).toBeGreaterThan(100);
    expect(refused.length).toBeLessThan(200);
    await socket.settle();
  });
});

describe('handshakes', () => {
  test('beyond the rate of their address are refused with 429, before anything else is asked', async () => {
    const fixture = await startSocketFixture({ rates: { handshakes: { perSecond: 0.001, burst: 2 } } });
    await fixture.connect();
    const refused = () => fixture.connect({ vsn: '9' }).catch((error: unknown) => error);
    expect(await refused()).toMatchObject({ status: 403 });
    const answer = await refused();
    expect(answer).toBeInstanceOf(HandshakeRefused);
    expect(answer).toMatchObject({ status: 429, body: '', headers: { 'retry-after': '1' } });
  });

  test('are refused with 503 while the node is full; open sockets go on', async () => {
    const fixture = await startSocketFixture();
    const socket = await fixture.joined(topic);
    fixture.load.isFull = true;
    const answer = await fixture.connect().catch((error: unknown) => error);
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    await socket.settle();
    fixture.load.isFull = false;
    await fixture.connect();
  });
});
