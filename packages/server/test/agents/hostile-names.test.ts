import { isIP } from 'node:net';
import { DnsServer, RawHttpServer, startTestServer, type TestServer } from '@fleetlm/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createHostResolver } from '../../src/agents/webhook/resolve-host.ts';
import { deliveriesOf, messagesOf, say, startAgentSessionAt, turnsAtRest } from './fixtures.ts';
import { hostileAnswers } from './webhook/address-table.ts';

/** S22: endpoints whose names were harmless when they were registered, and lead inside when they are called. */

let server: TestServer;
let dns: DnsServer;
/** What the names want to reach: everything on this machine that listens at the port. */
let inside: readonly RawHttpServer[];
/** What no DNS record can hold; whatever a resolver hands on is judged. */
const unwritable = new Map<string, string>();

beforeAll(async () => {
  dns = await DnsServer.start();
  inside = await Promise.all(['127.0.0.1', '::1'].map((host) => RawHttpServer.start({ host, tls: true })));
  const resolve = createHostResolver({ servers: [dns.address] });
  server = await startTestServer({
    env: { FLEETLM_AGENT_ALLOW_LOOPBACK: '0' },
    overrides: {
      resolveHost: async (host) => {
        const answer = unwritable.get(host);
        return answer === undefined ? resolve(host) : [answer];
      },
    },
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  for (const each of [dns, ...inside]) await each[Symbol.asyncDispose]();
});

/** Asks an agent of that name; what became of its turn. */
async function ask(host: string, port = inside[0]!.port) {
  const retry_policy = { max_attempts: 3, backoff_ms: [0] };
  const session = await startAgentSessionAt(server, `https://${host}:${port}/turns`, { retry_policy });
  await say(server, session);
  const [turn] = await turnsAtRest(server, session);
  return { session, turn };
}

async function expectRefused(host: string, refusal: string, port?: number): Promise<void> {
  const { session, turn } = await ask(host, port);
  expect(turn).toMatchObject({ status: 'failed', attempt: 1 });
  expect(turn.error).toMatch(/^address_not_allowed: /);
  expect(turn.error).toContain(refusal);
  expect(await deliveriesOf(server, session.agentId, 1)).toMatchObject([
    { status: 'failed', http_status: null, error_reason: 'address_not_allowed' },
  ]);
  const [, notice] = await messagesOf(server, session);
  // Who asks is not told where the name leads.
  expect(notice.content.text).toBe(`${session.agentId} could not answer (address_not_allowed).`);
  expect(inside.map((each) => each.connections)).toEqual([0, 0]);
}

test.concurrent.each(hostileAnswers)('a name with the address %j: %s', async (address, refusal) => {
  const host = `agent-${hostileAnswers.findIndex(([each]) => each === address)}.test`;
  if (isIP(address) === 0 || address.includes('%')) unwritable.set(host, address);
  else dns.names.set(host, [address]);
  await expectRefused(host, refusal, address === '::1' ? inside[1]!.port : undefined);
});

test.each([
  ['first', ['127.0.0.1', '1.1.1.1']],
  ['last', ['1.1.1.1', '127.0.0.1']],
  ['in the other family', ['1.1.1.1', '::1']],
])('one hostile address among others is enough: %s', async (place, addresses) => {
  const host = `mixed-${place.replaceAll(' ', '-')}.test`;
  dns.names.set(host, addresses);
  await expectRefused(host, 'loopback');
});

test('a name that does not exist at first and leads inside then is refused then', async () => {
  const { session, turn } = await ask('nowhere.test');
  expect(turn).toMatchObject({ status: 'dead', attempt: 3 });
  expect(turn.error).toMatch(/^name_not_found: /);
  dns.names.set('nowhere.test', ['10.0.0.1']);
  const redelivered = await server.api('POST', `/api/agents/${session.agentId}/turns/${turn.id}/redeliver`);
  expect(redelivered.status).toBeLessThan(300);
  const [again] = await turnsAtRest(server, session);
  expect(again).toMatchObject({ status: 'failed', error: expect.stringMatching(/^address_not_allowed: /) });
  expect(inside.map((each) => each.connections)).toEqual([0, 0]);
});
