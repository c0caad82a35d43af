import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import {
  addGroup,
  addParticipants,
  repositoryRoot,
  SpawnedProcess,
  startTestServer,
  type TestServer,
  untilListening,
} from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** What examples/agents/README.md says, done as it says. Ports are other ones. */

const run = promisify(execFile);
const page = readFileSync(join(repositoryRoot, 'examples/agents/README.md'), 'utf8');
const path = `${join(repositoryRoot, 'node_modules/.bin')}${delimiter}${process.env['PATH']}`;
const hasPython = spawnSync('python3', ['--version']).status === 0;
/** A line that starts an agent, which is then there until it is ended. */
const start = /^(?:SIGNING_SECRET=\$SIGNING_SECRET )?((?:npx node|python3) examples\/agents\/(?!say).+)$/m;

const resources = new AsyncDisposableStack();
let server: TestServer;

beforeAll(async () => {
  server = resources.use(await startTestServer());
});
afterAll(() => resources.disposeAsync());

test.concurrent.for([
  ['Echo', 4100],
  ['The AI SDK', 4101],
  ['Python', 4102],
] as const)('%s', async ([section, port], { skip, expect }) => {
  if (section === 'Python' && !hasPython) skip('python3 is not installed');
  const reader = new Reader(port, await findFreePort());
  const blocks = blocksOf(section);
  for (const [index, { language, text }] of blocks.entries()) {
    if (language !== 'sh') continue;
    const printed = await reader.follow(text);
    const next = blocks[index + 1];
    if (next?.language === 'text') expect(printed).toMatch(toPattern(next.text));
  }
});

describe('say.js tells', () => {
  const refusal = (...args: readonly string[]) => say(...args).catch((error: unknown) => error);

  test.each([
    ['nothing', []],
    ['a session that a shell has lost', ['user:alice', 'Hello']],
    ['an empty session', ['user:alice', '', 'Hello']],
  ])('how it is used: %s', async (_name, args) => {
    expect(await refusal(...args)).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('PARTICIPANT SESSION TEXT'),
    });
  });

  test('who cannot talk where, and why', async () => {
    await addParticipants(server, 'user:nobody');
    expect(await refusal('user:nobody', 'nowhere', 'Hello')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^user:nobody cannot talk in session nowhere: .+ \(\w+\)\n$/),
    });
  });

  test('why a message was refused', async () => {
    await addParticipants(server, 'user:a', 'user:b');
    const session = await addGroup(server, 'user:a', 'user:b');
    const text = 'long '.repeat(10_000);
    expect(await refusal('user:a', session, text)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^the message was refused: .+ \(invalid_request\)\n$/),
    });
  });
});

test('the pages that it names are there', () => {
  expect(page.match(/^## /gm)).toHaveLength(3);
});

function say(...args: readonly string[]) {
  const env = { ...process.env, FLEETLM_URL: server.url };
  return run(process.execPath, ['examples/agents/say.js', ...args], { cwd: repositoryRoot, env });
}

/** Somebody who follows the page: a shell with what it has set so far, and the terminal of an agent. */
class Reader {
  readonly #port: number;
  readonly #freePort: number;
  #variables: Readonly<Record<string, string>> = {};

  constructor(port: number, freePort: number) {
    this.#port = port;
    this.#freePort = freePort;
  }

  /** Returns what was printed. */
  async follow(text: string): Promise<string> {
    const printed = await this.#shell(text.replace(start, ''));
    const [, agent] = start.exec(text) ?? [];
    if (agent !== undefined) await this.#startAgent(agent);
    return printed;
  }

  async #shell(script: string): Promise<string> {
    const names = [...script.matchAll(/^([A-Z_]+)=/gm)].map((match) => match[1]!);
    const report = names.map((name) => `printf '\\0%s\\0%s' ${name} "$${name}"`).join('\n');
    const { stdout } = await run('bash', ['-euc', `${this.#withAddresses(script)}\n${report}`], {
      cwd: repositoryRoot,
      env: { ...process.env, ...this.#variables, PATH: path, FLEETLM_URL: server.url },
    });
    const [printed, ...pairs] = stdout.split('\0');
    for (let at = 0; at < pairs.length; at += 2)
      this.#variables = { ...this.#variables, [pairs[at]!]: pairs[at + 1]! };
    return printed!;
  }

  async #startAgent(command: string): Promise<void> {
    const env = { ...this.#variables, PATH: path, PORT: String(this.#freePort) };
    const agent = resources.use(new SpawnedProcess('bash', ['-c', `exec ${command}`], { env }));
    await untilListening(agent);
  }

  #withAddresses(text: string): string {
    return text
      .replaceAll('127.0.0.1:4000', new URL(server.url).host)
      .replaceAll(`127.0.0.1:${this.#port}`, `127.0.0.1:${this.#freePort}`);
  }
}

function blocksOf(section: string): { readonly language: string; readonly text: string }[] {
  const [, after = ''] = page.split(`\n## ${section}\n`);
  const [text = ''] = after.split(/^## /m);
  return Array.from(text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm), ([, language, code]) => ({
    language: language!,
    text: code!,
  }));
}

async function findFreePort(): Promise<number> {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as AddressInfo;
  await new Promise((resolve) => taken.close(resolve));
  return port;
}

/** What is printed; `…` is anything. */
function toPattern(text: string): RegExp {
  const parts = text.trimEnd().split('…');
  return new RegExp(`^${parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^]*')}\n?$`);
}
