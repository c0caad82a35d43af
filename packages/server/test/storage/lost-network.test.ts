import { startTestServer, testDatabase, waitUntil } from '@fleetlm/testkit';
import { expect, test } from 'vitest';

/** A query is given up after 6 s, and what waited behind it may have to be given up, too. */
const recoveryMs = 15_000;

test('a network to Postgres that is lost without a word is noticed: reads and sends come back', async () => {
  await using database = await testDatabase();
  await using proxied = await database.behindProxy();
  await using server = await startTestServer({ env: { DATABASE_URL: proxied.url } });
  for (const name of ['alice', 'bob'])
    await server.api('PUT', `/api/participants/user:${name}`, { body: {} });
  const { body } = await server.api('POST', '/api/sessions', {
    body: { initiator_id: 'user:alice', peer_id: 'user:bob' },
  });
  const path = `/api/sessions/${body.session.id}`;
  const append = (text: string) =>
    server.api('POST', `${path}/messages`, {
      as: 'user:alice',
      body: { content: { text }, client_id: text },
    });
  expect((await append('before')).status).toBe(200);

  const reads = Array.from({ length: 12 }, () => server.api('GET', path));
  const send = append('meanwhile');
  proxied.network.silence();

  // Each is answered, in time, with what can be said.
  for (const { status } of await Promise.all(reads)) expect([200, 500]).toContain(status);
  expect([200, 503, 504]).toContain((await send).status);
  await waitUntil(async () => (await server.api('GET', path)).status === 200, { timeoutMs: recoveryMs });
  await waitUntil(async () => (await append('meanwhile')).status === 200, { timeoutMs: recoveryMs });
  await waitUntil(async () => (await server.api('GET', '/health/ready')).status === 200, {
    timeoutMs: recoveryMs,
  });
  const { body: history } = await server.api('GET', `${path}/messages`);
  expect(history.messages.map((message: { content: object }) => message.content)).toEqual([
    { text: 'before' },
    { text: 'meanwhile' },
  ]);
}, 60_000);
