import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { DnsServer } from '@fleetlm/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AddressGuard } from '../../../src/agents/webhook/address-guard.ts';
import { createHostResolver, type ResolveHost } from '../../../src/agents/webhook/resolve-host.ts';
import { WebhookClient } from '../../../src/agents/webhook/webhook-client.ts';
import { parseAllowedRanges } from '../../../src/config/allowed-ranges.ts';
import { hostileAnswers } from './address-table.ts';
import { callOf, patient } from './call-fixture.ts';

let dns: DnsServer;
let resolveHost: ResolveHost;

beforeAll(async () => {
  dns = await DnsServer.start();
  resolveHost = createHostResolver({ servers: [dns.address] });
});
beforeEach(() => dns.names.clear());
afterAll(() => dns[Symbol.asyncDispose]());

describe('a name', () => {
  test('has the addresses of both families', async () => {
    dns.names.set('both.test', ['192.0.2.1', '2001:db8::1', '192.0.2.2']);
    dns.names.set('four.test', ['192.0.2.1']);
    expect(await resolveHost('both.test')).toEqual(['2001:db8::1', '192.0.2.1', '192.0.2.2']);
    expect(await resolveHost('four.test')).toEqual(['192.0.2.1']);
  });

  test('that does not exist', async () => {
    await expect(resolveHost('missing.test')).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });

  test('of this machine is known without asking', async () => {
    const asked = dns.questions;
    for (const name of ['localhost', 'agent.localhost'])
      expect(await resolveHost(name)).toEqual(['127.0.0.1', '::1']);
    expect(dns.questions).toBe(asked);
  });
});

describe('a hostile name server (S22)', () => {
  const guard = new AddressGuard({ allowLoopback: false, allowedRanges: parseAllowedRanges('') });
  const answers = hostileAnswers.filter(([address]) => isIP(address) !== 0 && !address.includes('%'));

  test.each(answers)('that answers %s, alone or beside a good address: %s', async (address, refusal) => {
    const client = new WebhookClient({ guard, resolveHost });
    for (const addresses of [[address], ['1.1.1.1', address], [address, '2606:4700::1111']]) {
      dns.names.set('agent.test', addresses);
      const outcome = await client.call(callOf('https://agent.test/'));
      expect(outcome).toMatchObject({ failure: { reason: 'address_not_allowed', retryable: false } });
      expect(outcome.kind === 'failed' && outcome.failure.detail).toMatch(new RegExp(`: ${refusal}$`));
    }
  });

  test('that says nothing holds up neither the file system nor other names, and the call ends in time', async () => {
    dns.names.set('good.test', ['192.0.2.1']);
    dns.names.set('silent.test', null);
    const client = new WebhookClient({ guard, resolveHost });
    const limits = { ...patient, firstChunkMs: 400 };
    const calls = Array.from({ length: 20 }, () => client.call(callOf('https://silent.test/', { limits })));
    const beganMs = performance.now();
    await Promise.all([readFile(import.meta.filename), resolveHost('good.test')]);
    expect(performance.now() - beganMs).toBeLessThan(limits.firstChunkMs);
    for (const outcome of await Promise.all(calls)) {
      expect(outcome).toMatchObject({ failure: { reason: 'connect_timeout', retryable: true } });
    }
  });
});
