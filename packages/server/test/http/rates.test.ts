import { describe, expect, test } from 'vitest';
import { expectProblem, startHttpFixture } from './http-fixture.ts';

/** One in a thousand seconds does not come back within the test; the bursts are four times, or as given. */
const env = { FLEETLM_RATE_FRAMES: '1', FLEETLM_RATE_MESSAGES: '1' };

describe('calls of a participant', () => {
  test('beyond its rate are 429 with Retry-After; the service and others go on', async () => {
    await using fixture = await startHttpFixture({ env });
    const statuses: number[] = [];
    for (let n = 0; n < 6; n += 1) statuses.push((await fixture.get('/api/sessions', 'user:a')).status);
    expect(statuses.slice(0, 4)).toEqual([200, 200, 200, 200]);
    expect(statuses.slice(4)).toContain(429);
    expect((await fixture.get('/api/sessions', 'user:b')).status).toBe(200);
    const service = await Promise.all(Array.from({ length: 20 }, () => fixture.get('/api/sessions')));
    expect(service.map((answer) => answer.status)).not.toContain(429);
  });

  test.each([
    ['by its Content-Length', (text: string) => text],
    ['in chunks, of which nobody knows how many come', (text: string) => new Blob([text]).stream()],
  ])('a large body counts several times: %s', async (_name, toBody) => {
    await using fixture = await startHttpFixture({ env });
    const send = () =>
      fetch(`${fixture.url}/api/sessions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-participant-id': 'user:a' },
        body: toBody(`{"ignored":"${'x'.repeat(200_000)}"}`),
        duplex: 'half',
      } as RequestInit);
    expect((await send()).status).toBe(422);
    expect((await send()).status).toBe(429);
    // Four are there at the beginning, one comes back in a second: 13 are owed.
    expectProblem(await fixture.get('/api/sessions', 'user:a'), 'rate_limited');
  });

  test('messages have a rate of their own', async () => {
    await using fixture = await startHttpFixture({ env: { FLEETLM_RATE_MESSAGES: '1' } });
    await fixture.addParticipants('user:a', 'user:b');
    const sessionId = await fixture.addSession('user:a', 'user:b');
    const send = (as: string) =>
      fixture.call('POST', `/api/sessions/${sessionId}/messages`, { as, body: { content: {} } });
    const answers = await Promise.all(Array.from({ length: 10 }, () => send('user:a')));
    const refused = answers.filter((answer) => answer.status !== 200);
    expect(refused.length).toBeGreaterThan(3);
    for (const answer of refused) {
      expectProblem(answer, 'rate_limited');
      expect(answer.headers.get('retry-after')).toBe('1');
    }
    expect((await fixture.get(`/api/sessions/${sessionId}`, 'user:a')).body.session.last_seq).toBe(
      10 - refused.length,
    );
    expect((await send('user:b')).status).toBe(200);
  });
});

test('refused identities use up what their address has; good ones are free', async () => {
  await using fixture = await startHttpFixture({
    env: { FLEETLM_RATE_HANDSHAKES: '1', FLEETLM_RATE_HANDSHAKES_BURST: '3' },
  });
  for (let n = 0; n < 5; n += 1) expect((await fixture.get('/api/sessions')).status).toBe(200);
  for (let n = 0; n < 3; n += 1) expectProblem(await fixture.get('/api/sessions', ''), 'unauthorized');
  const answer = await fixture.get('/api/sessions', '');
  // A slow machine may have earned one more by now.
  expectProblem(answer.status === 401 ? await fixture.get('/api/sessions', '') : answer, 'rate_limited');
});

test('a full node answers 503 with Retry-After, and its health goes on', async () => {
  await using fixture = await startHttpFixture();
  fixture.load.isFull = true;
  const answer = await fixture.get('/api/sessions');
  expectProblem(answer, 'overloaded');
  expect(answer.headers.get('retry-after')).toBe('1');
  expect((await fetch(`${fixture.url}/health/ready`)).status).toBe(200);
  fixture.load.isFull = false;
  expect((await fixture.get('/api/sessions')).status).toBe(200);
});
