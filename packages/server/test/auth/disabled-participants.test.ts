import type { ParticipantId } from '@fleetlm/protocol';
import {
  addGroup,
  addParticipants,
  quietLog,
  RawSocket,
  SessionClient,
  signToken,
  startTestServer,
  type TestServer,
  testSecret,
  waitUntil,
} from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DisabledParticipants } from '../../src/auth/disabled-participants.ts';

const participants = ['user:alice', 'user:bob', 'user:carol'];
const disabledClose = { code: 1008, reason: 'participant_disabled' };

describe.each(['none', 'jwt'])('with FLEETLM_AUTH=%s', (mode) => {
  let server: TestServer;
  let backend: Pick<TestServer, 'api'>;
  let sessionId: string;

  beforeAll(async () => {
    const env = { FLEETLM_AUTH: mode, ...(mode === 'jwt' && { FLEETLM_JWT_SECRET: testSecret }) };
    server = await startTestServer({ env });
    const token = await signToken({ sub: 'backend', role: 'service' });
    backend = { api: (method, path, options) => server.api(method, path, { token, ...options }) };
  });
  afterAll(() => server[Symbol.asyncDispose]());

  beforeEach(async () => {
    await addParticipants(backend, ...participants);
    for (const id of participants) await setStatus(id, 'active');
    sessionId = await addGroup(backend, ...participants);
  });

  async function setStatus(id: string, status: string): Promise<void> {
    const answer = await backend.api('PUT', `/api/participants/${id}`, { body: { status } });
    expect(answer.status).toBe(200);
  }

  /** As another node would, or an operator. */
  async function setStatusInDatabase(id: string, status: string): Promise<void> {
    const client = new Client(server.database.target);
    await client.connect();
    await client.query('update participants set status = $2 where id = $1', [id, status]);
    await client.end();
  }

  async function open(id: string): Promise<SessionClient> {
    return SessionClient.open(`${server.socketUrl(id)}&token=${await signToken({ sub: id })}`, sessionId);
  }

  async function joined(id: string): Promise<SessionClient> {
    const client = await open(id);
    expect((await client.join()).status).toBe('ok');
    return client;
  }

  test('every socket of it is closed at once, those of others and of the service stay', async () => {
    const alices = [await joined('user:alice'), await open('user:alice')];
    await using bob = await joined('user:bob');
    const serviceUrl = `${server.socketUrl()}?token=${await signToken({ sub: 'user:alice', role: 'service' })}`;
    await using service = await RawSocket.open(serviceUrl);
    await setStatus('user:alice', 'disabled');
    for (const { socket } of alices) expect(await socket.closed).toEqual(disabledClose);
    expect(await bob.say('still here')).toBe(1);
    expect(await service.settle()).toEqual([]);
  });

  test('it can neither connect nor call, until it is active again', async () => {
    await setStatus('user:alice', 'disabled');
    await expect(open('user:alice')).rejects.toMatchObject({ status: 403, body: '' });
    const caller = { as: 'user:alice', token: await signToken({ sub: 'user:alice' }) };
    const body = { content: { text: 'let me in' } };
    for (const [method, path, options] of [
      ['GET', '/api/sessions', {}],
      ['GET', `/api/sessions/${sessionId}/messages`, {}],
      ['POST', `/api/sessions/${sessionId}/messages`, { body }],
      ['PUT', '/api/participants/user:alice', { body: { status: 'active' } }],
    ] as const) {
      const answer = await server.api(method, path, { ...caller, ...options });
      expect([answer.status, answer.body.code]).toEqual([403, 'participant_disabled']);
    }
    const named = await backend.api('POST', `/api/sessions/${sessionId}/messages`, {
      body: { ...body, sender_id: 'user:alice' },
    });
    expect(named.body.code).toBe('participant_disabled');
    await setStatus('user:alice', 'active');
    await using again = await joined('user:alice');
    expect(await again.say('back')).toBe(1);
  });

  test('one that was disabled elsewhere is closed within 5 s, and neither joins nor sends meanwhile', async () => {
    const [alice, bob, carol] = [
      await joined('user:alice'),
      await open('user:bob'),
      await joined('user:carol'),
    ];
    const startedMs = performance.now();
    await setStatusInDatabase('user:alice', 'disabled');
    expect(await alice.socket.closed).toEqual(disabledClose);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    // The next check is seconds away. A change on this node makes it ask for them anew.
    for (const id of ['user:bob', 'user:carol']) {
      await backend.api('PUT', `/api/participants/${id}`, { body: { display_name: 'A name' } });
      await setStatusInDatabase(id, 'disabled');
    }
    const refused = { status: 'error', response: { reason: 'participant_disabled' } };
    expect(await bob.join()).toMatchObject(refused);
    expect(await carol.push('send', { content: { content: { text: 'hi' } } })).toMatchObject(refused);
    for (const { socket } of [bob, carol]) expect(await socket.closed).toEqual(disabledClose);
  });
});

test('a check that fails is logged; the next one does its work, and none is left after the stop', async () => {
  const alice = 'user:alice' as ParticipantId;
  const warnings: string[] = [];
  const disconnected: string[] = [];
  let checks = 0;
  const disabled = new DisabledParticipants({
    connections: [{ participantIds: new Set([alice]), disabled: (id) => void disconnected.push(id) }],
    directory: {
      listen: () => undefined,
      findDisabled: async (ids) => {
        checks += 1;
        if (checks === 1) throw new Error('no database');
        return [...ids];
      },
    },
    log: { ...quietLog, warn: (_fields, message) => void warnings.push(message) },
    intervalMs: 1,
  });
  disabled.start();
  await waitUntil(() => disconnected.length > 0);
  await disabled.stop();
  expect(warnings).toEqual(['disabled participants cannot be looked for']);
  const before = checks;
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(checks).toBe(before);
});
