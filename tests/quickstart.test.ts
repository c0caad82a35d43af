import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { startTestServer, type TestServer, waitUntil } from '@fleetlm/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '..');
const page = readFileSync(join(root, 'docs/quickstart.md'), 'utf8');
const path = `${join(root, 'node_modules/.bin')}${delimiter}${process.env['PATH']}`;
const blocks = [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({
  language: language!,
  text: text!,
}));

const resources = new AsyncDisposableStack();
let server: TestServer;
/** The checkout, as far as the reader sees it. */
let directory: string;
/** What the reader's shell has set so far. */
let variables: Readonly<Record<string, string>> = {};

beforeAll(async () => {
  server = resources.use(await startTestServer());
  directory = mkdtempSync(join(tmpdir(), 'fleetlm-quickstart-'));
  resources.defer(() => rmSync(directory, { recursive: true, force: true }));
  for (const name of ['node_modules', 'packages', 'package.json']) {
    symlinkSync(join(root, name), join(directory, name));
  }
  saveScript();
});
afterAll(() => resources.disposeAsync());

test('every step does what the page says', async () => {
  const talkers: Talker[] = [];
  for (const [index, { language, text }] of blocks.entries()) {
    if (language !== 'sh') continue;
    if (/^npm start$/m.test(text)) await startAsTold(text);
    else if (text.includes('talk.js')) await talk(text, talkers);
    else {
      const printed = await shell(text);
      const next = blocks[index + 1]!;
      if (next.language === 'json' || next.language === 'text') expect(printed).toMatch(toPattern(next.text));
    }
  }
  expect(talkers.length).toBe(3);
});

interface Talker {
  readonly output: () => string;
  say(text: string): void;
}

/** The first start is that of `beforeAll`; the second one is on the same data, with the settings of the page. */
async function startAsTold(text: string): Promise<void> {
  const secret = /^export FLEETLM_JWT_SECRET='(.+)'$/m.exec(text)?.[1];
  if (secret === undefined) return;
  const { database } = server;
  server = resources.use(await startTestServer({ database, env: { FLEETLM_JWT_SECRET: secret } }));
  saveScript();
}

function saveScript(): void {
  const { text } = blocks.find(({ language }) => language === 'js')!;
  writeFileSync(join(directory, 'talk.js'), withAddress(text));
}

/** Once the second one is there, each says something, and all see all of it. */
async function talk(command: string, talkers: Talker[]): Promise<void> {
  talkers.push(startTalker(command));
  const [alice, bob] = talkers;
  if (bob === undefined) return;
  if (talkers.length === 2) {
    alice!.say('Hello Bob!');
    for (const each of talkers) await shows(each, '1 user:alice: Hello Bob!\n');
    bob.say('Hello Alice!');
  }
  for (const each of talkers) await shows(each, '1 user:alice: Hello Bob!\n2 user:bob: Hello Alice!\n');
}

function shows({ output }: Talker, text: string): Promise<unknown> {
  return waitUntil(() => output() === text, { what: `${text} instead of ${output()}`, timeoutMs: 10_000 });
}

function startTalker(command: string): Talker {
  // Its group is ended as a whole; npx would only be one more process in it.
  const script = command.replace('npx ', '');
  const child = spawn('bash', ['-euc', script], { cwd: directory, env: environment(), detached: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  }
  const ended = new Promise<void>((done) => child.on('exit', () => done()));
  resources.defer(() => {
    if (child.exitCode === null) process.kill(-child.pid!, 'SIGKILL');
    return ended;
  });
  return { output: () => output, say: (text) => child.stdin.write(`${text}\n`) };
}

/** Runs a block, remembers what it sets, and returns what it prints. */
async function shell(script: string): Promise<string> {
  const names = [...script.matchAll(/^(?:export )?([A-Z_]+)=/gm)].map((match) => match[1]!);
  const report = names.map((name) => `printf '\\0%s\\0%s' ${name} "$${name}"`).join('\n');
  const { stdout } = await run('bash', ['-euc', `${withAddress(script)}\n${report}`], {
    cwd: directory,
    env: environment(),
  });
  const [printed, ...pairs] = stdout.split('\0');
  for (let at = 0; at < pairs.length; at += 2) variables = { ...variables, [pairs[at]!]: pairs[at + 1]! };
  return printed!;
}

function environment() {
  return { ...process.env, ...variables, PATH: path };
}

function withAddress(text: string): string {
  return text.replaceAll('127.0.0.1:4000', new URL(server.url).host);
}

/** What is printed; `…` is anything. */
function toPattern(text: string): RegExp {
  const parts = text.trimEnd().split('…');
  return new RegExp(`^${parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^]*')}\n?$`);
}
