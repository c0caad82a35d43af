import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestServer, testSecret } from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bench, type Sources } from '../src/bench.ts';
import { startTerseServer } from './terse-server.ts';
import { TestSources } from './test-sources.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bench-test-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly sources?: Sources;
}

/** As short as it goes: nothing here is about time. */
const tiny = ['--rounds', '1', '--seconds', '0.1'];

/** Runs the command as a shell would, and collects what it prints and writes. */
async function run(args: readonly string[], { env = {}, sources }: RunOptions = {}) {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const path = join(directory, 'result.json');
  const terminal = {
    env,
    stdout: { write: (text: string) => stdout.push(text) },
    stderr: { write: (text: string) => stderr.push(text) },
    interruption: new AbortController().signal,
  };
  await rm(path, { force: true });
  const code = await bench([...tiny, '--json', path, ...args], terminal, sources);
  const json = JSON.parse((await readFile(path, 'utf8').catch(() => '')) || 'null');
  return { code, stdout: stdout.join(''), stderr: stderr.join(''), json };
}

interface JsonRow {
  readonly what: string;
  readonly unit: string;
  readonly values: readonly number[];
  readonly against: object | null;
}

/** The rows of the one scenario that was run: something was measured in each, and nothing failed. */
function measuredIn(json: { scenarios: { rows: JsonRow[] }[]; failures: unknown[] }): JsonRow[] {
  expect(json.failures).toEqual([]);
  expect(json.scenarios).toHaveLength(1);
  const { rows } = json.scenarios[0]!;
  expect(rows.filter(({ unit }) => unit === 'failures')).toEqual([]);
  for (const { values, what } of rows) expect(values[0], what).toBeGreaterThan(0);
  return rows;
}

function valueIn(rows: readonly JsonRow[], what: string): number {
  return rows.find((row) => row.what.startsWith(what))!.values[0]!;
}

describe('against a server that somebody else started', () => {
  test('latency with tokens, without comparison', async () => {
    await using server = await startTestServer({
      env: { FLEETLM_JWT_SECRET: testSecret, FLEETLM_RATE_MESSAGES: '0', FLEETLM_RATE_FRAMES: '0' },
    });
    const args = ['latency', '--url', server.url];
    const { code, stdout, json } = await run(args, { env: { FLEETLM_JWT_SECRET: testSecret } });
    expect(code).toBe(0);
    expect(measuredIn(json).filter(({ against }) => against !== null)).toEqual([]);
    expect(stdout).toContain(`- server: ${server.url}\n`);
    expect(stdout).toMatch(/^### latency\n\n\| what +\| measured/m);
  });

  test('append where no send is answered, and everything is told twice', async () => {
    await using server = await startTerseServer();
    const { code, json } = await run(['append', '--url', server.url, '--participants-exist']);
    expect(code).toBe(0);
    const rows = measuredIn(json);
    // Each message counts once: all that were acknowledged came back to their senders, and no others.
    expect(valueIn(rows, 'received')).toBe(valueIn(rows, 'acknowledged'));
    expect(server.participants).toEqual([]);
    // Those that learn how it acknowledges, and those of the warm-up, are in no figure.
    expect(server.messages).toBeGreaterThan(100);
  });
});

describe('what cannot be measured', () => {
  test('each scenario that fails: 1, with its reason', async () => {
    await using sources = new TestSources();
    const failing: Sources = { ...sources, startServer: () => Promise.reject(new Error('no server today')) };
    const { code, stdout, stderr, json } = await run(['idle', 'growth'], { sources: failing });
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain(
      '\nbench: idle failed: no server today\nbench: growth failed: no server today\n',
    );
    expect(json.failures).toEqual([
      { scenario: 'idle', reason: 'no server today' },
      { scenario: 'growth', reason: 'no server today' },
    ]);
  });

  test('no Postgres: 69', async () => {
    await using sources = new TestSources();
    const startPostgres = () => Promise.reject(new Error('the disk is full'));
    const { code, stderr } = await run(['idle'], { sources: { ...sources, startPostgres } });
    expect(code).toBe(69);
    expect(stderr).toBe('bench: Postgres cannot be started: the disk is full\n');
  });

  test('wrong usage: 64', async () => {
    const { code, stderr } = await run(['nonsense']);
    expect(code).toBe(64);
    expect(stderr).toMatch(/^bench: the scenario "nonsense" is none; .+See --help\n$/);
  });

  test('a file that cannot be written: 64, before anything is measured', async () => {
    const { code, stderr } = await run(['append', '--json', join(directory, 'nowhere/result.json')]);
    expect(code).toBe(64);
    expect(stderr).toMatch(/^bench: --json: ENOENT/);
  });

  test('nobody listens: 69', async () => {
    const gone = await startTerseServer();
    await gone[Symbol.asyncDispose]();
    const { code, stderr } = await run(['append', '--url', gone.url]);
    expect(code).toBe(69);
    expect(stderr).toContain(`bench: no session can be made at ${gone.url}: `);
    expect(stderr).toContain('ECONNREFUSED');
  });

  test('a server that wants tokens, without a secret or with another one: 69', async () => {
    await using server = await startTestServer({ env: { FLEETLM_JWT_SECRET: testSecret } });
    const args = ['append', '--url', server.url];
    const without = await run(args);
    expect(without.code).toBe(69);
    expect(without.stderr).toBe(
      `bench: ${server.url} wants tokens: give its secret in FLEETLM_JWT_SECRET, or with --jwt-secret\n`,
    );
    const wrong = await run(args, { env: { FLEETLM_JWT_SECRET: `not ${testSecret}` } });
    expect(wrong.code).toBe(69);
    expect(wrong.stderr).toContain('takes no token that this secret signs');
  });

  test('--help has examples', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('npm run bench -- append --url http://127.0.0.1:4000\n');
  });
});
