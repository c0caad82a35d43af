import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SpawnedProcess, startTestServer, testSecret } from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bench } from '../src/bench.ts';
import type { ScenarioResult } from '../src/report.ts';
import type { Row } from '../src/row.ts';
import { startTerseServer } from './terse-server.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bench-test-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** As short as it goes: nothing here is about time. */
const tiny = ['--rounds', '1', '--seconds', '0.1'];

/** Runs the command as a shell would, and collects what it prints and writes. */
async function run(args: readonly string[], env: Record<string, string> = {}) {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const path = join(directory, 'result.json');
  const code = await bench([...args, ...tiny, '--json', path], {
    env,
    stdout: { write: (text) => stdout.push(text) },
    stderr: { write: (text) => stderr.push(text) },
  });
  const json = code === 0 ? JSON.parse(await readFile(path, 'utf8')) : null;
  return { code, stdout: stdout.join(''), stderr: stderr.join(''), json };
}

function rowsOf(json: { scenarios: ScenarioResult[] }, name: string): (Row & { ratio: number | null })[] {
  const found = json.scenarios.find(({ scenario }) => scenario === name);
  if (found === undefined) throw new Error(`there is no scenario ${name}`);
  return found.rows as (Row & { ratio: number | null })[];
}

function valueIn(rows: readonly Row[], what: string): number {
  const found = rows.find((row) => row.what.startsWith(what));
  if (found === undefined) throw new Error(`there is no row ${what}: ${JSON.stringify(rows)}`);
  return found.values[0]!;
}

/** Something was measured in each row, and nothing failed. */
function expectMeasured(rows: readonly (Row & { ratio: number | null })[]): void {
  expect(rows.filter(({ unit }) => unit === 'failures')).toEqual([]);
  for (const row of rows) {
    // CPU is counted in hundredths of a second: of little work there may be none.
    const least = row.unit === 'µs' ? 0 : Number.MIN_VALUE;
    expect(row.values, row.what).toEqual([expect.any(Number)]);
    expect(row.values[0], row.what).toBeGreaterThanOrEqual(least);
    if (row.against) expect(row.ratio, row.what).toBeCloseTo(row.values[0]! / row.against.values[0]!);
  }
}

/** A Postgres, two servers, a peer and seven loads have to start first, on whatever cores are left. */
const ownServersMs = 60_000;

test(
  'on servers of its own: append and latency, beside their limits',
  async () => {
    const path = join(directory, 'own.json');
    const main = join(import.meta.dirname, '../src/main.ts');
    const args = ['--conditions=fleetlm-source', main, 'append', 'latency', ...tiny, '--json', path];
    await using command = new SpawnedProcess(process.execPath, args);
    expect(await command.exited, command.output).toEqual({ code: 0, signal: null });
    const json = JSON.parse(await readFile(path, 'utf8'));
    expect(json.environment).toMatchObject({
      node: process.version,
      postgres: expect.stringMatching(/^18\..*fsync and synchronous_commit on$/),
      rate_limits: 'off',
      rounds: 1,
      seconds_each: 0.1,
    });
    const [append, latency] = [rowsOf(json, 'append'), rowsOf(json, 'latency')];
    for (const rows of [append, latency]) expectMeasured(rows);
    const limitsOf = (rows: readonly Row[]) => rows.flatMap(({ against }) => against?.name ?? []);
    expect(limitsOf(append)).toEqual(['the append statement alone', 'Socket.IO + INSERT']);
    expect(limitsOf(latency)).toEqual(['one-row commit']);
    expect(append[0]).toMatchObject({ unit: 'messages/s', target: { atLeast: 0.45 } });
    expect(latency[0]).toMatchObject({ unit: 'ms', target: { atMost: 1.8 } });
    expect(command.output).toMatch(/^### latency\n\n\| what +\| measured +\| compared with/m);
  },
  ownServersMs,
);

describe('against a server that somebody else started', () => {
  test('append with tokens, without comparison', async () => {
    await using server = await startTestServer({
      env: { FLEETLM_JWT_SECRET: testSecret, FLEETLM_RATE_MESSAGES: '0', FLEETLM_RATE_FRAMES: '0' },
    });
    const args = ['append', '--url', server.url];
    const { code, stdout, json } = await run(args, { FLEETLM_JWT_SECRET: testSecret });
    expect(code).toBe(0);
    const rows = rowsOf(json, 'append');
    expectMeasured(rows);
    expect(rows.filter(({ against }) => against)).toEqual([]);
    expect(stdout).toContain(`- server: ${server.url}\n`);
  });

  test('one that answers no send, and tells everything twice', async () => {
    await using server = await startTerseServer();
    const { code, json } = await run(['append', '--url', server.url, '--participants-exist']);
    expect(code).toBe(0);
    const rows = rowsOf(json, 'append');
    expectMeasured(rows);
    // Each message counts once: all that were acknowledged came back to their senders, and no others.
    expect(valueIn(rows, 'received')).toBe(valueIn(rows, 'acknowledged'));
    expect(server.participants).toEqual([]);
    // Those that learn how it acknowledges, and those of the warm-up, are in no figure.
    expect(server.messages).toBeGreaterThan(100);
  });
});

describe('what cannot be run', () => {
  test('wrong usage: 64', async () => {
    const { code, stderr } = await run(['nonsense']);
    expect(code).toBe(64);
    expect(stderr).toMatch(/^bench: the scenario "nonsense" is none; .+See --help\n$/);
  });

  test('nobody listens: 69', async () => {
    const gone = await startTerseServer();
    await gone[Symbol.asyncDispose]();
    const { code, stderr } = await run(['append', '--url', gone.url]);
    expect(code).toBe(69);
    expect(stderr).toContain(`bench: no session can be made at ${gone.url}: `);
    expect(stderr).toContain('ECONNREFUSED');
  });

  test('a server that wants tokens: 69', async () => {
    await using server = await startTestServer({ env: { FLEETLM_JWT_SECRET: testSecret } });
    const { code, stderr } = await run(['append', '--url', server.url]);
    expect(code).toBe(69);
    expect(stderr).toContain('was answered with 401');
  });

  test('--help has examples', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('npm run bench -- append --url http://127.0.0.1:4000\n');
  });
});
