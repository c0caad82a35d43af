import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { startTestServer, type TestServer, testSecret } from '@fleetlm/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '..');
const page = readFileSync(join(root, 'docs/authentication.md'), 'utf8');
const bin = join(root, 'node_modules/.bin');
const env = {
  ...process.env,
  FLEETLM_JWT_SECRET: testSecret,
  PATH: `${bin}${delimiter}${process.env['PATH']}`,
};

let server: TestServer;
let directory: string;

beforeAll(async () => {
  server = await startTestServer({ env: { FLEETLM_JWT_SECRET: testSecret } });
  directory = mkdtempSync(join(tmpdir(), 'fleetlm-authentication-'));
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

async function expectAlice(token: string): Promise<void> {
  const { status, body } = await server.api('PUT', '/api/participants/user:alice', { token, body: {} });
  expect([status, body.participant?.id]).toEqual([200, 'user:alice']);
  expect((await server.api('PUT', '/api/participants/user:bob', { token, body: {} })).status).toBe(403);
}

test('the tokens of the script are accepted', async () => {
  const [script] = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1]!);
  writeFileSync(join(directory, 'issue.mjs'), script!);
  const { stdout } = await run('node', ['issue.mjs'], { cwd: directory, env });
  await expectAlice(stdout.trim());
});

test('the token of the command is accepted', async () => {
  const [command] = /npx fleetlm token[^`]*/.exec(page)!;
  const { stdout } = await run('bash', ['-euc', command], { cwd: root, env });
  await expectAlice(stdout.trim());
});

test('its links lead somewhere', () => {
  const links = [...page.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map((match) => match[1]!);
  for (const link of links) expect(() => readFileSync(join(root, 'docs', link)), link).not.toThrow();
});
