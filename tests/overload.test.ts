import { addGroup, addParticipants, ChannelClient, startTestServer, waitUntil } from '@fleetlm/testkit';
import { expect, test } from 'vitest';

/** Commits of ten messages that take 20 ms: 500 messages a second, whatever the machine. */
const slowCommits = {
  FLEETLM_APPEND_LANES: '1',
  FLEETLM_APPEND_BATCH_ROWS: '10',
  FLEETLM_APPEND_QUEUE_MS: '200',
  FLEETLM_FAILPOINTS: 'before_commit=sleep(20)',
};

const alice = 'user:alice';
const bob = 'user:bob';

test('more than can be stored is refused at once; what was admitted is stored, and then the node is itself again', async () => {
  await using server = await startTestServer({ env: slowCommits });
  await addParticipants(server, alice, bob);
  const topic = `session:${await addGroup(server, alice, bob)}`;
  await using client = await ChannelClient.open(server.socketUrl(alice));
  await client.join(topic);
  const send = (n: number) => client.push(topic, 'send', { content: { content: { n } } });
  const burst = (count: number) => Promise.all(Array.from({ length: count }, (_, n) => send(n)));

  // Nothing is known of the pace before a queue has built up.
  const first = await burst(50);
  expect(first.filter(({ status }) => status !== 'ok')).toEqual([]);
  const answers = await burst(1_000);
  const refused = answers.filter(({ status }) => status === 'error');
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.length).toBeLessThan(1_000);
  expect(new Set(refused.map(({ response }) => response.reason))).toEqual(new Set(['overloaded']));
  expect(refused.every(({ response }) => response.retryable)).toBe(true);

  await waitUntil(() => server.server.counts.pendingAppends === 0);
  const again = await send(0);
  expect(again.status).toBe('ok');
  // Each that was admitted, once, and none that was refused.
  expect(again.response.message.seq).toBe(50 + (1_000 - refused.length) + 1);
});
