import { waitUntil } from '@fleetlm/testkit';
import { describe, expect, test } from 'vitest';
import type { FixtureOptions, HttpFixture } from './http-fixture.ts';
import { expectProblem, startHttpFixture } from './http-fixture.ts';

describe('health', () => {
  test('live and ready', async () => {
    await using fixture = await startHttpFixture();
    expect((await fixture.get('/health/live')).body).toEqual({ status: 'live' });
    expect((await fixture.get('/health/ready')).body).toEqual({ status: 'ready' });
  });

  test('not ready says why, and stays live', async () => {
    await using fixture = await startHttpFixture({ health: async () => ['no database', 'no lanes'] });
    const ready = await fixture.get('/health/ready');
    expect(ready.status).toBe(503);
    expect(ready.body).toEqual({ status: 'not_ready', reasons: ['no database', 'no lanes'] });
    expect((await fixture.get('/health/live')).status).toBe(200);
  });

  test('a check that fails is not ready', async () => {
    await using fixture = await startHttpFixture({ health: () => Promise.reject(new Error('secret')) });
    const ready = await fixture.get('/health/ready');
    expect([ready.status, ready.body.reasons]).toEqual([503, ['the health check failed']]);
    expect(fixture.logLines.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  test('S30: many who ask at once, without an identity, cost one look', async () => {
    const gate = Promise.withResolvers<void>();
    let looks = 0;
    await using fixture = await startHttpFixture({
      health: async () => {
        looks += 1;
        await gate.promise;
        return [];
      },
    });
    const connection = fixture.connect();
    connection.write('GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(500));
    await waitUntil(() => looks > 0);
    expect((await fixture.get('/health/live')).status).toBe(200);
    gate.resolve();
    await waitUntil(() => connection.received.split('{"status":"ready"}').length === 501);
    expect(looks).toBeLessThan(10);
    connection.destroy();
  });

  test('needs no identity', async () => {
    await using fixture = await startHttpFixture({ authenticate: () => Promise.reject(new Error('asked')) });
    expect((await fixture.get('/health/ready')).status).toBe(200);
  });
});

describe('drain', () => {
  test('open calls finish, new ones get 503, idle connections are closed', async () => {
    const { fixture, gate, arrived } = await startGated();
    await using _ = fixture;
    const idle = fixture.connect();
    idle.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await idle.until('live');
    const open = fixture.call('PUT', '/api/participants/user:open', { body: {} });
    await arrived;
    let isDrained = false;
    const drained = fixture.server.drain().then(() => {
      isDrained = true;
    });
    await idle.closed;
    const refused = await fixture.get('/api/participants');
    expectProblem(refused, 'draining');
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(refused.headers.get('connection')).toBe('close');
    const ready = await fixture.get('/health/ready');
    expect([ready.status, ready.body.reasons]).toEqual([503, ['the server is shutting down']]);
    expect((await fixture.get('/health/live')).status).toBe(200);
    expect(isDrained).toBe(false);
    gate.resolve();
    await drained;
    const answer = await open;
    expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close']);
  });

  test('an aborted drain waits no longer', async () => {
    const { fixture, gate, arrived } = await startGated();
    await using _ = fixture;
    const open = fixture.get('/api/participants').catch(() => 'cut');
    await arrived;
    await fixture.server.drain(AbortSignal.abort());
    await fixture.server.close(AbortSignal.abort());
    expect(await open).toBe('cut');
    gate.resolve();
  });
});

describe('close', () => {
  test('leaves no connection, also not of clients that say nothing, and may be called again', async () => {
    const fixture = await startHttpFixture();
    const silent = fixture.connect();
    const half = fixture.connect();
    half.write('GET /health/live HT');
    await fixture.get('/health/live');
    await fixture.server.close();
    await fixture.server.close();
    await Promise.all([silent.closed, half.closed]);
    expect(fixture.server.server.listening).toBe(false);
    await fixture[Symbol.asyncDispose]();
  });

  test('a port that is taken is told', async () => {
    await using fixture = await startHttpFixture();
    await using other = await startHttpFixture();
    await other.server.close();
    await expect(other.server.listen({ host: '127.0.0.1', port: fixture.port })).rejects.toThrow();
  });
});

/** A server whose first API call waits for the gate. */
async function startGated() {
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const authenticate: FixtureOptions['authenticate'] = async (credentials, usual) => {
    arrived.resolve();
    await gate.promise;
    return usual.authenticate(credentials);
  };
  const fixture: HttpFixture = await startHttpFixture({ authenticate });
  return { fixture, gate, arrived: arrived.promise };
}
