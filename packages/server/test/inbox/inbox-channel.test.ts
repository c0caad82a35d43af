import { RawSocket, startTestServer, type TestServer, waitUntil } from '@fleetlm/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  for (const name of ['alice', 'bob'])
    await server.api('PUT', `/api/participants/user:${name}`, { body: {} });
});

afterAll(() => server[Symbol.asyncDispose]());

test('an inbox shows a new session, a message, and what was read, as REST does', async () => {
  const bob = await RawSocket.open(server.socketUrl('user:bob'));
  bob.send(['1', '1', 'inbox:user:bob', 'phx_join', {}]);
  const [, , , , joined] = await bob.next((frame) => frame[1] === '1');
  expect(joined).toMatchObject({ status: 'ok', response: { conversations: [], version: 1 } });

  const { body } = await server.api('POST', '/api/sessions', {
    body: { initiator_id: 'user:alice', peer_id: 'user:bob' },
  });
  const id = body.session.id;
  const created = await bob.next((frame) => frame[3] === 'update');
  expect(created[4].conversations).toMatchObject([{ session_id: id, unread_count: 0, last_seq: 0 }]);

  for (const text of ['one', 'two']) {
    await server.api('POST', `/api/sessions/${id}/messages`, {
      body: { sender_id: 'user:alice', content: { text } },
    });
  }
  await bob.next((frame) => frame[3] === 'update' && frame[4].conversations[0]?.unread_count === 2);
  await server.api('POST', `/api/sessions/${id}/read`, { as: 'user:bob' });
  const read = await bob.next(
    (frame) => frame[3] === 'update' && frame[4].conversations[0]?.unread_count === 0,
  );
  const page = await waitUntil(
    async () => (await server.api('GET', '/api/participants/user:bob/inbox')).body,
  );
  expect(read[4].conversations).toEqual(page.conversations);
  expect(page.conversations[0]).toMatchObject({ last_message_preview: 'two', last_seq: 2 });
  await bob.close();
});
