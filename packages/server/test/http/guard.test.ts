import { wireError } from '@fleetlm/protocol';
import { describe, expect, test } from 'vitest';
import type { Credentials } from '../../src/auth/authenticator.ts';
import { fail } from '../../src/lib/result.ts';
import { expectProblem, type FixtureOptions, type HttpFixture, startHttpFixture } from './http-fixture.ts';

describe('identity', () => {
  test('comes from x-participant-id and the bearer token', async () => {
    const seen: Credentials[] = [];
    await using fixture = await startHttpFixture({
      authenticate: (credentials, usual) => {
        seen.push(credentials);
        return usual.authenticate(credentials);
      },
    });
    await fixture.get('/api/participants');
    await fixture.call('GET', '/api/participants', { headers: { authorization: 'bearer  a.b-c' } });
    await fixture.call('GET', '/api/participants', {
      as: 'user:a',
      headers: { authorization: 'Basic dXNlcjpwYXNz' },
    });
    expect(seen).toEqual([
      { participantId: null, token: null },
      { participantId: null, token: 'a.b-c' },
      { participantId: 'user:a', token: null },
    ]);
  });

  test('a refusal is 401, before the body is looked at', async () => {
    await using fixture = await startHttpFixture({
      authenticate: async () => fail(wireError('unauthorized', 'The token has expired')),
    });
    const calls = [
      ['GET', '/api/participants'],
      ['PUT', '/api/participants/user:a'],
      ['POST', '/api/sessions'],
      ['DELETE', '/api/sessions/x/members/y'],
      ['GET', '/api/nothing'],
      ['GET', '/%61pi/participants'],
    ] as const;
    for (const [method, path] of calls) {
      const isRead = method === 'GET';
      const answer = await fixture.call(method, path, isRead ? {} : { rawBody: 'no json' });
      expectProblem(answer, 'unauthorized');
      expect(answer.body.detail).toBe('The token has expired');
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    }
  });

  test('an empty x-participant-id is not nobody, and a disabled participant is told', async () => {
    await using fixture = await startHttpFixture();
    expectProblem(await fixture.get('/api/participants', ''), 'unauthorized');
    expectProblem(await fixture.get('/api/participants', 'x'.repeat(129)), 'unauthorized');
    await fixture.call('PUT', '/api/participants/user:off', { body: { status: 'disabled' } });
    expectProblem(await fixture.get('/api/participants', 'user:off'), 'participant_disabled');
  });

  test('x-participant-id is UTF-8: an id in any script acts as itself', async () => {
    await using fixture = await startHttpFixture();
    const id = 'user:josé 🌍';
    await fixture.addParticipants('user:bob', encodeURIComponent(id));
    const sessionId = await fixture.addSession('user:bob', id);
    const body = { content: { text: 'ñ' } };
    const { status } = await fixture.post(`/api/sessions/${sessionId}/messages`, body, id);
    expect(status).toBe(200);
    const { body: page } = await fixture.get(`/api/sessions/${sessionId}/messages`, id);
    expect(page.messages[0].sender_id).toBe(id);
  });

  test('x-participant-id that is no UTF-8 is nobody, and is told what to do', async () => {
    await using fixture = await startHttpFixture();
    // As fetch writes it: latin1.
    const headers = { 'x-participant-id': 'user:josé' };
    const answer = await fixture.call('GET', '/api/participants', { headers });
    expectProblem(answer, 'unauthorized');
    expect(answer.body.detail).toContain('must be UTF-8');
  });

  test.each([{}, { code: 'ECONNRESET' }, { code: '57P01', severity: 'FATAL' }])(
    'what fails here with %j is 500, logged once, with nothing of it in the reply',
    async (fields) => {
      const error = Object.assign(new Error('password=hunter2'), fields);
      await using fixture = await startHttpFixture({ authenticate: () => Promise.reject(error) });
      const answer = await fixture.get('/api/participants');
      expectProblem(answer, 'internal_error');
      expect(JSON.stringify(answer.body)).not.toContain('hunter2');
      const errors = fixture.logLines.filter(({ level }) => level === 'error');
      expect(errors).toHaveLength(1);
      expect(errors[0]!.fields).toMatchObject({ request_id: answer.body.request_id });
    },
  );
});

describe('host and origin', () => {
  const listed = { auth: { allowedOrigins: ['https://app.example'] } };

  test.each([
    ['localhost', {}, 200],
    ['LOCALHOST:4000', {}, 200],
    ['127.0.0.1:80', {}, 200],
    ['[::1]:4000', {}, 200],
    ['evil.example', {}, 403],
    ['localhost.evil.example', {}, 403],
    ['evil.example', { auth: { insecureAllowNoAuth: true } }, 200],
    ['chat.example', { auth: { mode: 'jwt' as const } }, 200],
  ])('Host %s with %j: %i', async (host, options, status) => {
    await using fixture = await startHttpFixture(options);
    const answer = await ask(fixture, [`Host: ${host}`]);
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(answer.includes('DNS rebinding')).toBe(status === 403);
  });

  test.each([
    ['https://app.example', listed, 200],
    ['https://app.example:8443', listed, 403],
    ['http://app.example', listed, 403],
    ['null', listed, 403],
    ['nonsense', listed, 403],
    ['http://localhost:4000', {}, 200],
    ['http://localhost:4001', {}, 403],
    ['https://evil.example', {}, 403],
  ] satisfies [string, FixtureOptions, number][])(
    'Origin %s with %j: %i',
    async (origin, options, status) => {
      await using fixture = await startHttpFixture(options);
      const answer = await ask(fixture, ['Host: localhost:4000', `Origin: ${origin}`]);
      expect(answer).toContain(`HTTP/1.1 ${status} `);
      expect(answer.includes('FLEETLM_ALLOWED_ORIGINS')).toBe(status === 403);
    },
  );

  test('a page of elsewhere changes nothing', async () => {
    await using fixture = await startHttpFixture();
    const before = await fixture.stored();
    const headers = { origin: 'https://evil.example' };
    expectProblem(await fixture.call('PUT', '/api/participants/user:x', { headers, body: {} }), 'forbidden');
    expect(await fixture.stored()).toEqual(before);
  });

  test('S33: a page of a listed origin may ask first, and read replies, without credentials', async () => {
    await using fixture = await startHttpFixture(listed);
    const origin = 'https://app.example';
    const preflight = await fixture.call('OPTIONS', '/api/participants/user:x', {
      headers: { origin, 'access-control-request-method': 'PUT' },
      as: '',
    });
    expect(preflight.status).toBe(204);
    expect(Object.fromEntries(preflight.headers)).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': expect.stringContaining('PUT'),
      'access-control-allow-headers': expect.stringContaining('x-participant-id'),
      vary: 'origin',
    });
    for (const path of ['/api/participants', '/api/participants/user:nobody']) {
      const { headers } = await fixture.call('GET', path, { headers: { origin } });
      expect(headers.get('access-control-allow-origin')).toBe(origin);
      expect(headers.get('access-control-allow-credentials')).toBe(null);
    }
    const foreign = await fixture.call('OPTIONS', '/api/participants', {
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'GET' },
    });
    expectProblem(foreign, 'forbidden');
    expect(foreign.headers.get('access-control-allow-origin')).toBe(null);
    const without = await fixture.get('/api/participants');
    expect(without.headers.get('access-control-allow-origin')).toBe(null);
  });

  test('health is open for every host and origin', async () => {
    await using fixture = await startHttpFixture();
    const headers = ['Host: probe.internal', 'Origin: https://evil.example'];
    for (const path of ['/health/live', '/health/ready']) {
      expect(await ask(fixture, headers, path)).toContain('HTTP/1.1 200 ');
    }
  });

  function ask(
    fixture: HttpFixture,
    headers: readonly string[],
    path = '/api/participants',
  ): Promise<string> {
    return fixture.exchange(
      `GET ${path} HTTP/1.1\r\n${[...headers, 'Connection: close'].join('\r\n')}\r\n\r\n`,
    );
  }
});
