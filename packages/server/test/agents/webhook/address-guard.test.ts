import { describe, expect, test } from 'vitest';
import { AddressGuard } from '../../../src/agents/webhook/address-guard.ts';
import { parseAllowedRanges } from '../../../src/config/allowed-ranges.ts';
import { goodUrls, hostileAnswers, hostileUrls } from './address-table.ts';

const guard = guardThat({});
const agent = new URL('https://agent.example/');

function guardThat({ allowLoopback = false, allows = '' }): AddressGuard {
  return new AddressGuard({ allowLoopback, allowedRanges: parseAllowedRanges(allows) });
}

function verdict(of: AddressGuard, url: string): string {
  const check = of.checkUrl(url);
  return check.ok ? 'allowed' : check.refusal;
}

describe('at registration (S22)', () => {
  test('the table is long enough', () => {
    expect(hostileUrls.length).toBeGreaterThanOrEqual(40);
    expect(hostileAnswers.length).toBeGreaterThanOrEqual(30);
  });

  test.each(hostileUrls)('%j is refused: %s', (url, refusal) => {
    expect(verdict(guard, url)).toBe(refusal);
  });

  test.each(goodUrls)('%s may be called', (url) => {
    expect(verdict(guard, url)).toBe('allowed');
  });
});

describe('of the answers of DNS (S22)', () => {
  test.each(hostileAnswers)('%j is refused: %s', (address, refusal) => {
    expect(guard.refusalOf(address, agent)).toBe(refusal);
  });

  test.each(['1.1.1.1', '2606:4700:4700::1111'])('%s may be called', (address) => {
    expect(guard.refusalOf(address, agent)).toBeNull();
  });

  test('plain HTTP reaches nobody outside', () => {
    expect(guard.refusalOf('1.1.1.1', new URL('http://localhost/'))).toBe('plain_http');
  });
});

describe('in development', () => {
  const development = guardThat({ allowLoopback: true });

  test.each([
    'http://127.0.0.1:3000/agent',
    'http://localhost:3000/',
    'http://agent.localhost/',
    'http://[::1]/',
    'https://localhost/',
    'https://127.0.0.1/',
  ])('%s may be called', (url) => {
    expect(verdict(development, url)).toBe('allowed');
  });

  test.each([
    ['http://agent.example/', 'plain_http'],
    ['http://1.1.1.1/', 'plain_http'],
    ['http://10.0.0.1/', 'private'],
    ['https://10.0.0.1/', 'private'],
    ['http://169.254.169.254/', 'metadata'],
    ['http://0.0.0.0/', 'unspecified'],
    ['http://[::ffff:127.0.0.1]/', 'embedded_ipv4'],
  ])('%s is refused: %s', (url, refusal) => {
    expect(verdict(development, url)).toBe(refusal);
  });

  test('localhost that leads elsewhere is refused', () => {
    expect(development.refusalOf('10.0.0.1', new URL('http://localhost/'))).toBe('private');
    expect(development.refusalOf('1.1.1.1', new URL('http://localhost/'))).toBe('plain_http');
  });
});

describe('with allowed ranges', () => {
  const open = guardThat({
    allows: '10.1.0.0/16, 169.254.0.0/16, 168.63.129.0/24, fc00::/7, 64:ff9b::/96',
  });

  test.each([
    'https://10.1.2.3/',
    'https://169.254.1.1/',
    'https://[fd12::1]/',
    'https://[64:ff9b::8.8.8.8]/',
  ])('%s may be called', (url) => expect(verdict(open, url)).toBe('allowed'));

  test.each([
    ['https://10.2.0.1/', 'private'],
    ['https://169.254.169.254/', 'metadata'],
    ['https://168.63.129.16/', 'metadata'],
    ['https://[fd00:ec2::254]/', 'metadata'],
    ['https://127.0.0.1/', 'loopback'],
    ['http://10.1.2.3/', 'private'],
    ['https://[::ffff:10.1.2.3]/', 'embedded_ipv4'],
  ])('%s is refused: %s', (url, refusal) => {
    expect(verdict(open, url)).toBe(refusal);
  });
});

test('a range of IPv6 allows nothing of IPv4', () => {
  const open = guardThat({ allows: '::/0' });
  expect(verdict(open, 'https://10.0.0.1/')).toBe('private');
  expect(verdict(open, 'https://[fd12::1]/')).toBe('allowed');
});
