import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startTestServer, type TestServer, testSecret } from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { conformance } from '../src/conformance.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ env: { FLEETLM_JWT_SECRET: testSecret } });
});
afterAll(() => server[Symbol.asyncDispose]());

/** Runs the command as a shell would, and collects what it prints. */
async function run(args: readonly string[], env: Record<string, string> = {}) {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const code = await conformance(args, {
    env,
    stdout: { write: (text) => stdout.push(text) },
    stderr: { write: (text) => stderr.push(text) },
  });
  return { code, stdout: stdout.join(''), stderr: stderr.join('') };
}

/** A proxy that refuses large bodies in a form of its own, and hands on what has none. */
async function proxyTo(target: string) {
  const proxy = createServer(async ({ method = 'GET', url = '/', headers }, response) => {
    if (Number(headers['content-length'] ?? 0) > 2 ** 20) return response.writeHead(413).end('<html>');
    const { authorization = '' } = headers;
    const answer = await fetch(new URL(url, target), { method, headers: { authorization } });
    return response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
  });
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  const { port } = proxy.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: async () => void proxy.close() };
}

const withSecret = { FLEETLM_JWT_SECRET: testSecret };

describe('against a server that somebody else started', () => {
  test('a line for each case, then a summary; again, and at the same time', async () => {
    const args = ['--url', server.url, '--filter', 'frames/1'];
    for (const { code, stdout } of await Promise.all([run(args, withSecret), run(args, withSecret)])) {
      expect(stdout).toMatch(/^ok {6}frames\/13 +a heartbeat is answered$/m);
      expect(stdout).toMatch(/^skipped frames\/16 .*\(takes long or sends much: --slow\)$/m);
      expect(stdout).toMatch(/^\d+ passed, 0 failed, 1 skipped\n$/m);
      expect(code).toBe(0);
    }
  });

  test('a failure shows what was expected and seen, and what was said, and ends with 1', async () => {
    // No page of another site may connect: the case expects this one to.
    const origin = ['--origin', 'https://elsewhere.example'];
    const { code, stdout } = await run(['--url', server.url, '--filter', 'frames/10', ...origin], withSecret);
    expect(stdout).toMatch(/^FAIL {4}frames\/10 .*\n {10}.*403/m);
    expect(stdout).toMatch(/^3 passed, 1 failed, 0 skipped$/m);
    expect(code).toBe(1);
  });

  test('a proxy that answers by itself fails the case of it, and no other', async () => {
    await using proxy = await proxyTo(server.url);
    const { code, stdout } = await run(['--url', proxy.url, '--filter', 'errors/pay'], withSecret);
    expect(stdout).toMatch(/^FAIL {4}errors\/payload_too_large /m);
    expect(stdout).toContain('<html>');
    expect(code).toBe(1);
  });

  test('--json is one document', async () => {
    const args = ['--url', server.url, '--jwt-secret', testSecret, '--filter', 'errors/not', '--json'];
    const { code, stdout } = await run(args);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ url: server.url, passed: 3, failed: 0, skipped: 0 });
    expect(report.cases[0]).toMatchObject({ id: 'errors/not_found', outcome: 'ok', ours: true });
    expect(code).toBe(0);
  });
});

describe('what cannot be run', () => {
  test.each([
    ['--nonsense'],
    ['--url', 'ws://localhost'],
    ['--url', 'nonsense'],
    ['--no-auth', '--jwt-secret', 'x'],
    ['frames/1'],
    ['--filter', 'no such case'],
    ['--jwt-secret', 'too short'],
  ])('%s %s: 64', async (...args) => {
    const { code, stderr } = await run(args);
    expect(code).toBe(64);
    expect(stderr).toMatch(/^conformance: .+See --help\n$/);
  });

  test('an empty secret is none', async () => {
    const { code, stderr } = await run(['--url', server.url], { FLEETLM_JWT_SECRET: '' });
    expect(code).toBe(69);
    expect(stderr).toContain('--jwt-secret');
  });

  test('nobody listens: 69', async () => {
    const { code, stderr } = await run(['--url', 'http://127.0.0.1:1']);
    expect(code).toBe(69);
    expect(stderr).toContain('cannot be reached');
  });

  test('a server that does not let the suite in: 69', async () => {
    const { code, stderr } = await run(['--url', server.url, '--no-auth']);
    expect(code).toBe(69);
    expect(stderr).toContain('--jwt-secret');
  });

  test('--help has examples', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('npm run conformance -- --url http://127.0.0.1:4000\n');
  });
});
