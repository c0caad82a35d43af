import { startTestServer, type TestServer, testSecret } from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allCases } from '../src/all-cases.ts';
import { type Entry, isCase } from '../src/case.ts';
import { streamChunkCases } from '../src/cases/channels/stream-cases.ts';
import { handshakeCases } from '../src/cases/frames/handshake.ts';
import { joinCases } from '../src/cases/frames/join.ts';
import { type Identity, noAuthentication, TokenIdentity } from '../src/identity.ts';
import { runCase, runCases, whySkipped } from '../src/run-cases.ts';
import { type Settings, Target } from '../src/target.ts';

/** Fewer than by default, so that it takes no hundred sessions to see that they have a bound. */
const maxTopics = 12;
const topics = { FLEETLM_SOCKET_TOPICS: String(maxTopics) };

/** Cases that wait for a limit to be reached: there they need not wait long. */
const impatient = ['frames/16', 'errors/rate_limited'];

describe('with tokens', () => {
  const env = {
    FLEETLM_JWT_SECRET: testSecret,
    FLEETLM_JWT_LEEWAY_MS: '0',
    FLEETLM_AGENT_ALLOW_LOOPBACK: '1',
    ...topics,
  };
  const entries = allCases.filter(({ id }) => !impatient.includes(id));
  runOn(env, new TokenIdentity({ secret: testSecret }), { maxTopics, isSlow: true }, entries);
});

describe('without authentication', () => {
  // Who connects is all that is different: what follows is the same code.
  const needs = allCases.filter((entry) => isCase(entry) && entry.needs === 'no-auth');
  runOn(topics, noAuthentication, { maxTopics }, [...new Set([...handshakeCases, ...joinCases, ...needs])]);
});

describe('a server without patience', () => {
  const env = { FLEETLM_SOCKET_IDLE_MS: '400', FLEETLM_RATE_FRAMES: '5' };
  const entries = allCases.filter(({ id }) => impatient.includes(id));
  runOn(env, noAuthentication, { idleMs: 400, isSlow: true }, entries);
});

test('a server that calls nobody on its own machine is no failure: cases with an agent say why they skip', async () => {
  await using server = await startTestServer({ env: { FLEETLM_AGENT_ALLOW_LOOPBACK: '0' } });
  const target = new Target(server.url, noAuthentication);
  const results = await runCases(streamChunkCases, target, { concurrency: 1, onResult() {} });
  const reason = expect.stringContaining('FLEETLM_AGENT_ALLOW_LOOPBACK=1');
  expect(results).toMatchObject(streamChunkCases.map(() => ({ outcome: 'skipped', reason })));
});

/** Each case is a test; at the same time, as they would run against somebody else's server. */
function runOn(
  env: Record<string, string>,
  identity: Identity,
  settings: Partial<Settings>,
  entries: readonly Entry[],
): void {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ env });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  describe.concurrent('the case', () => {
    for (const entry of entries) {
      test(`${entry.id}: ${entry.title}`, async ({ skip }) => {
        const target = new Target(server.url, identity, settings);
        const why = whySkipped(entry, target);
        if (why !== null || !isCase(entry)) return skip(why ?? '');
        await runCase(entry, target);
      });
    }
  });
}
