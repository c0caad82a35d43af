import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { goodUrls, hostileUrls } from '../webhook/address-table.ts';
import { EndpointFixture } from './endpoint-fixture.ts';

let fixture: EndpointFixture;
let agent: string;

beforeAll(async () => {
  fixture = await EndpointFixture.start({
    env: { FLEETLM_AGENT_ALLOW_LOOPBACK: '0', FLEETLM_AGENT_ALLOWED_CIDRS: '10.77.0.0/16' },
  });
  agent = await fixture.newAgent();
});
afterAll(() => fixture[Symbol.asyncDispose]());

describe('at registration (S22)', () => {
  test.each(hostileUrls)('%j is refused: %s', async (url, refusal) => {
    const { status, body } = await fixture.put(agent, { origin_url: url });
    expect([status, body.code]).toEqual([422, 'url_not_allowed']);
    expect(body.detail).toMatch(new RegExp(`^origin_url is refused \\(${refusal}\\): .{20}`));
    expect(Object.keys(body.errors)).toEqual(['origin_url']);
    expect((await fixture.get(agent)).body.code).toBe('endpoint_not_found');
  });

  test('also in the place of a good one, which stays', async () => {
    const id = await fixture.newEndpoint({ origin_url: 'https://agent.example/' });
    expect((await fixture.put(id, { origin_url: 'https://10.0.0.1/' })).body.code).toBe('url_not_allowed');
    expect((await fixture.get(id)).body.endpoint.origin_url).toBe('https://agent.example/');
  });

  test('what the configuration allows is taken', async () => {
    await fixture.newEndpoint({ origin_url: 'https://10.77.1.2/' });
    const refused = await fixture.put(agent, { origin_url: 'http://127.0.0.1:3000/' });
    expect(refused.body.detail).toContain('FLEETLM_AGENT_ALLOW_LOOPBACK=1');
  });

  test('what is stored is the URL as it is called', async () => {
    const id = await fixture.newEndpoint({ origin_url: ' HTTPS://Agent.Example:443/a\n/../b c' });
    expect((await fixture.get(id)).body.endpoint.origin_url).toBe('https://agent.example/b%20c');
    const { body } = await fixture.put(id, { origin_url: 'https:\\\\agent.example' });
    expect(body.endpoint.origin_url).toBe('https://agent.example/');
  });

  test('public addresses and names are taken', async () => {
    const id = await fixture.newAgent();
    for (const url of goodUrls) expect((await fixture.put(id, { origin_url: url })).status, url).toBe(200);
  });
});
