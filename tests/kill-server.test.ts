/**
 * A server that is killed with `kill -9` in the middle of appends, and started again on the same data.
 *
 * The long form kills it as often as you like, at other moments:
 *
 *     FLEETLM_KILLS=200 npx vitest run tests/kill-server.test.ts
 *
 * FLEETLM_SEED repeats a run's messages and kill counts (not its timing); a failure names the seed.
 */
import {
  AppendLoad,
  RestartingServer,
  seededRandom,
  temporaryDataDir,
  testDatabase,
  waitUntil,
} from '@fleetlm/testkit';
import { describe, expect, test } from 'vitest';

const kills = Number(process.env['FLEETLM_KILLS'] ?? 3);
const seed = Number(process.env['FLEETLM_SEED'] ?? Date.now() % 1_000_000);
const total = Math.max(5_000, kills * 200);
/** A restart and its appends take two or three seconds, ten times that on a machine with much else to do. */
const timeoutMs = 120_000 + kills * 10_000;

describe('kill -9 in the middle of appends over REST and sockets', { timeout: timeoutMs }, () => {
  test('on the embedded Postgres: all that was acknowledged is there, once, in order', async () => {
    await using dataDir = await temporaryDataDir();
    await using server = new RestartingServer(() => ({ FLEETLM_DATA_DIR: dataDir.path }));
    await appendWhileKilled(server);
  });

  test('on the Postgres of DATABASE_URL: the same', async () => {
    await using database = await testDatabase();
    await using server = new RestartingServer(() => ({ DATABASE_URL: database.url }));
    await appendWhileKilled(server);
  });
});

describe('kill -9 at a named boundary', { timeout: timeoutMs }, () => {
  test.each(['after_commit_before_ack', 'before_commit'])('%s', async (failpoint) => {
    await using database = await testDatabase();
    await using server = new RestartingServer((start) => ({
      DATABASE_URL: database.url,
      // Only appends reach it. The same seed again would kill every start at the same batch, the first for one.
      FLEETLM_FAILPOINTS: `${failpoint}=kill@0.02;seed=${seed + start}`,
    }));
    await using load = await AppendLoad.open(server, { seed });
    await load.run(() => server.kills >= kills / 2 && load.oracle.begun >= total / 5);
    expect(await load.violations(), `seed ${seed}`).toEqual([]);
    expect(load.oracle.acknowledged).toBe(load.oracle.begun);
  });
});

async function appendWhileKilled(server: RestartingServer): Promise<void> {
  await using load = await AppendLoad.open(server, { seed });
  const isDone = () => server.kills >= kills && load.oracle.begun >= total;
  await Promise.all([load.run(isDone), killAtRandom(server, load)]);
  expect(await load.violations(), `seed ${seed}`).toEqual([]);
  expect(load.oracle.acknowledged).toBe(load.oracle.begun);
}

/** Kills after random numbers of acknowledgements; every fourth time also the next one, while it starts. */
async function killAtRandom(server: RestartingServer, { oracle }: AppendLoad): Promise<void> {
  const random = seededRandom(seed + 1);
  while (server.kills < kills) {
    await server.url();
    const target = oracle.acknowledged + Math.ceil((random() * total) / kills);
    await waitUntil(() => oracle.acknowledged >= target, {
      what: `acknowledgement ${target}; there are ${oracle.acknowledged}`,
      timeoutMs: 30_000,
    });
    await kill(server);
    if (server.kills % 4 === 1) {
      await server.process.untilPrinted(/\n/);
      await kill(server);
    }
  }
}

async function kill(server: RestartingServer): Promise<void> {
  const { process, kills: before } = server;
  process.kill('SIGKILL');
  await waitUntil(() => server.kills > before, { what: 'the end of the server after SIGKILL' });
}
