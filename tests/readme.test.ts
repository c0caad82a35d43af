import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { startTestServer, type TestServer, waitUntil } from '@fleetlm/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

let server: TestServer;
/** Where the reader saves the script: it sees the packages as in the checkout. */
let directory: string;

beforeAll(async () => {
  server = await startTestServer();
  directory = mkdtempSync(join(tmpdir(), 'fleetlm-readme-'));
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  writeFileSync(join(directory, 'package.json'), '{"type": "module"}');
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

test('the first conversation works as printed', async () => {
  const [start, people, talk] = blocks('sh');
  expect(start).toBe('npm ci\nnpm start\n');
  const { stdout: answers } = await shell(`${people}\necho\necho "session=$SESSION"`);
  const session = /session=([0-9A-Z]{26})\n/.exec(answers)?.[1];
  expect(session, answers).toBeDefined();
  expect(answers).toContain('"text":"Hello Bob!"');

  const [script] = blocks('js');
  expect(script!.split('\n').filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(15);
  writeFileSync(join(directory, 'bob.js'), withAddress(script!));
  expect(talk).toBe('npx node bob.js $SESSION\n');
  expect(await outputOfBob(session!)).toBe('1 user:alice: Hello Bob!\n2 user:bob: Hello Alice!\n');

  const { stdout: again } = await shell(`SESSION=${session}\n${people!.split('\n').slice(-3).join('\n')}`);
  expect(again).toContain('"deduplicated":true');
});

test('its links lead somewhere', () => {
  const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map((match) => match[1]!);
  for (const link of links) expect(() => readFileSync(join(root, link)), link).not.toThrow();
});

test('CI runs the test command that it names', () => {
  expect(blocks('sh').at(-1)).toBe('npm test\n');
  expect(readFileSync(join(root, '.ci/run'), 'utf8').trim().split('\n').at(-1)).toBe('npm test');
});

function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    (match) => match[1]!,
  );
}

/** The README's server listens on port 4000; this one took a free port. */
function withAddress(text: string): string {
  return text.replaceAll('127.0.0.1:4000', new URL(server.url).host);
}

function shell(script: string): Promise<{ stdout: string }> {
  return run('bash', ['-euc', withAddress(script)], { cwd: directory });
}

/** The script goes on listening, so that it is ended once it has printed two lines. */
async function outputOfBob(session: string): Promise<string> {
  const path = `${join(root, 'node_modules/.bin')}${delimiter}${process.env['PATH']}`;
  const bob = spawn('node', ['bob.js', session], { cwd: directory, env: { ...process.env, PATH: path } });
  let output = '';
  bob.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  bob.stderr.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  const ended = new Promise((done) => bob.on('exit', done));
  try {
    await waitUntil(() => output.split('\n').length > 2, {
      what: 'two lines from bob.js',
      timeoutMs: 10_000,
    });
  } finally {
    bob.kill('SIGKILL');
    await ended;
  }
  return output;
}
