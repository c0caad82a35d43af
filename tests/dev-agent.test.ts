import { startTestServer, type TestServer } from '@fleetlm/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { introduceEcho } from '../scripts/dev/introduce-echo.ts';

/** What `npm run dev` tells its server; the whole of it is run in start-stop.test.ts. */

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const introduce = (port: number) => introduceEcho(server.url, `http://127.0.0.1:${port}`);

async function endpoint(): Promise<{ origin_url: string; timeout_ms: number }> {
  return (await server.api('GET', '/api/agents/agent:echo/endpoint')).body.endpoint;
}

test('each start moves the endpoint to its port, and finds the session', async () => {
  const first = await introduce(4101);
  expect(await endpoint()).toMatchObject({ origin_url: 'http://127.0.0.1:4101/npm-run-dev' });
  await server.api('PUT', '/api/agents/agent:echo/endpoint', { body: { timeout_ms: 5_000 } });
  expect(await introduce(4102)).toEqual(first);
  expect(await endpoint()).toMatchObject({
    origin_url: 'http://127.0.0.1:4102/npm-run-dev',
    timeout_ms: 5_000,
  });
  expect((await server.api('GET', '/api/sessions')).body.sessions).toMatchObject([
    { id: first.sessionId, kind: 'agent_dm', initiator_id: 'user:alice', agent_id: 'agent:echo' },
  ]);
});

test('what somebody else has set up stays', async () => {
  await introduce(4101);
  const body = { origin_url: 'http://127.0.0.1:9999/mine' };
  await server.api('PUT', '/api/agents/agent:echo/endpoint', { body });
  await server.api('PUT', '/api/participants/agent:echo', { body: { display_name: 'Mine' } });
  expect(await introduce(4102)).toMatchObject({ isOurs: false });
  expect(await endpoint()).toMatchObject(body);
  expect((await server.api('GET', '/api/participants/agent:echo')).body.participant).toMatchObject({
    display_name: 'Mine',
  });
});
