import {
  addGroup,
  addParticipants,
  HandshakeRefused,
  RawSocket,
  SessionClient,
  startTestServer,
} from '@fleetlm/testkit';
import { Client } from 'pg';
import { expect, test } from 'vitest';

test('during a drain an open socket is served to its end, and only who comes anew is refused', async () => {
  const drainPace = { batch: 1, intervalMs: 60_000 };
  await using server = await startTestServer({ overrides: { drainPace } });
  await addParticipants(server, 'user:a', 'user:b');
  const session = await addGroup(server, 'user:a', 'user:b');
  await using first = await SessionClient.open(server.socketUrl('user:a'), session);
  await using second = await SessionClient.open(server.socketUrl('user:b'), session);
  await first.join();
  await second.join();

  const stopped = server.server.stop();
  expect(await first.socket.closed).toMatchObject({ code: 1012 });
  const sent = await second.push('send', { content: { content: { text: 'late' } }, client_id: 'late' });
  expect(sent).toMatchObject({ status: 'ok', response: { message: { seq: 1 } } });
  const again = RawSocket.open(server.socketUrl('user:a'));
  await expect(again).rejects.toBeInstanceOf(HandshakeRefused);
  await expect(again).rejects.toMatchObject({ status: 503 });
  const call = await server.api('GET', `/api/sessions/${session}`);
  expect(call).toMatchObject({ status: 503, body: { code: 'draining', retryable: true } });
  expect((await server.api('GET', '/health/ready')).body.reasons).toEqual(['the server is shutting down']);

  server.server.hurry();
  expect(await second.socket.closed).toMatchObject({ code: 1012 });
  await stopped;
  const client = new Client(server.database.url);
  await client.connect();
  const { rows } = await client.query('select seq, client_id from chat_messages');
  await client.end();
  expect(rows).toEqual([{ seq: '1', client_id: 'late' }]);
});
