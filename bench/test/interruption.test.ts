import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { descendantsOf, isAlive, SpawnedProcess } from '@fleetlm/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bench-test-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** A Postgres with fsync, two servers and three loads have to start first, on whatever cores are left. */
const wholeCommandMs = 60_000;

test(
  'whoever is interrupted is told what was measured, and nothing is left',
  async () => {
    const [json, temporary] = [join(directory, 'result.json'), join(directory, 'tmp')];
    await mkdir(temporary);
    const main = join(import.meta.dirname, '../src/main.ts');
    const args = ['latency', 'inbox', '--rounds', '1', '--seconds', '0.1', '--json', json];
    await using command = new SpawnedProcess(
      process.execPath,
      ['--conditions=fleetlm-source', main, ...args],
      {
        env: { TMPDIR: temporary },
      },
    );
    // A server runs, and Postgres is busy for a while.
    await command.untilPrinted(/inbox: filling in 100,000 sessions/);
    const pids = await descendantsOf(command.pid);
    expect(pids.length).toBeGreaterThan(3);
    command.kill('SIGINT');
    expect(await command.exited, command.output).toEqual({ code: 130, signal: null });
    expect(await Promise.all(pids.map(isAlive))).not.toContain(true);
    expect(await readdir(temporary)).toEqual([]);
    expect(command.output).toMatch(/^### latency\n\n\| what/m);
    expectOwn(JSON.parse(await readFile(json, 'utf8')));
  },
  wholeCommandMs,
);

interface Json {
  readonly scenarios: readonly {
    readonly scenario: string;
    readonly rows: readonly { readonly what: string; readonly unit: string; readonly values: number[] }[];
  }[];
}

/** What was measured on a server and a Postgres in processes of their own. */
function expectOwn(json: Json): void {
  expect(json).toMatchObject({
    environment: {
      node: process.version,
      postgres: expect.stringMatching(/^18\..*fsync on, synchronous_commit on$/),
      rate_limits: 'off',
      rounds: 1,
      seconds_each: 0.1,
    },
    failures: [],
  });
  expect(json.scenarios.map(({ scenario }) => scenario)).toEqual(['latency']);
  const { rows } = json.scenarios[0]!;
  expect(rows[0]).toMatchObject({
    what: '1 socket, 1 in flight, until acknowledged, p50',
    against: { name: 'one-row commit' },
    target: { at_least: null, at_most: 1.8 },
  });
  const cpu = rows.filter(({ unit }) => unit === 'µs');
  expect(cpu.map(({ what }) => what)).toEqual([
    'CPU of the server for each message at 1,000/s',
    'CPU of Postgres for each message at 1,000/s',
    'CPU of the generator for each message at 1,000/s',
  ]);
  expect(rows.filter((row) => !cpu.includes(row) && !(row.values[0]! > 0))).toEqual([]);
}
