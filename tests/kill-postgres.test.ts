/**
 * The embedded Postgres is killed with `kill -9` in the middle of appends: the postmaster, a backend, or the
 * postmaster together with FleetLM.
 *
 * The long form: FLEETLM_KILLS=100 npx vitest run tests/kill-postgres.test.ts
 */
import {
  AppendLoad,
  type DataDir,
  isAlive,
  RestartingServer,
  seededRandom,
  spawnServer,
  temporaryDataDir,
  waitUntil,
} from '@fleetlm/testkit';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';

const kills = Number(process.env['FLEETLM_KILLS'] ?? 2);
const seed = Number(process.env['FLEETLM_SEED'] ?? Date.now() % 1_000_000);
const total = Math.max(2_000, kills * 200);
/** A restart and its appends take two or three seconds, ten times that on a machine with much else to do. */
const timeoutMs = 120_000 + kills * 10_000;
/** Crash recovery, the growing delay of a supervisor that sees crash after crash, and a busy machine. */
const recoveryMs = 30_000;

describe('kill -9 of Postgres in the middle of appends', { timeout: timeoutMs }, () => {
  test('of the postmaster: the server stays, is not ready, is ready again, and has lost nothing', async () => {
    await using dataDir = await temporaryDataDir();
    await using server = await spawnServer({ env: { FLEETLM_DATA_DIR: dataDir.path } });
    await using load = await AppendLoad.open({ url: async () => server.url }, { seed });
    let killed = 0;
    const killing = killAtRandom(load, async () => {
      const pid = await dataDir.postmasterPid();
      process.kill(pid!, 'SIGKILL');
      await untilReadiness(server.url, false);
      await untilReadiness(server.url, true);
      expect(await dataDir.postmasterPid()).not.toBe(pid);
      killed += 1;
    });
    await Promise.all([load.run(() => killed >= kills && load.oracle.begun >= total), killing]);
    await expectNothingLost(load);
    expect(await isAlive(server.process.pid)).toBe(true);
  });

  test('of single backends that append: the same', async () => {
    await using dataDir = await temporaryDataDir();
    await using server = await spawnServer({ env: { FLEETLM_DATA_DIR: dataDir.path } });
    await using load = await AppendLoad.open({ url: async () => server.url }, { seed });
    let killed = 0;
    const killing = killAtRandom(load, async () => {
      const postmaster = await dataDir.postmasterPid();
      process.kill(await findAppendingBackend(dataDir), 'SIGKILL');
      killed += 1;
      // The postmaster takes its memory for damaged, ends all others, and recovers.
      await untilReadiness(server.url, true);
      expect(await dataDir.postmasterPid()).toBe(postmaster);
    });
    await Promise.all([load.run(() => killed >= kills && load.oracle.begun >= total), killing]);
    await expectNothingLost(load);
    expect(await isAlive(server.process.pid)).toBe(true);
  });

  test('of the postmaster and the server at once: the next start has lost nothing', async () => {
    await using dataDir = await temporaryDataDir();
    await using server = new RestartingServer(() => ({ FLEETLM_DATA_DIR: dataDir.path }));
    await using load = await AppendLoad.open(server, { seed });
    const killing = killAtRandom(load, async () => {
      const before = server.kills;
      process.kill((await dataDir.postmasterPid())!, 'SIGKILL');
      server.process.kill('SIGKILL');
      await waitUntil(() => server.kills > before, { what: 'the end of the server after SIGKILL' });
      await server.url();
    });
    await Promise.all([load.run(() => server.kills >= kills && load.oracle.begun >= total), killing]);
    await expectNothingLost(load);
  });
});

/** Calls `kill` after random numbers of acknowledgements. */
async function killAtRandom({ oracle }: AppendLoad, kill: () => Promise<void>): Promise<void> {
  const random = seededRandom(seed + 1);
  for (let count = 0; count < kills; count++) {
    const target = oracle.acknowledged + Math.ceil((random() * total) / kills);
    await waitUntil(() => oracle.acknowledged >= target, {
      what: `acknowledgement ${target}`,
      timeoutMs: recoveryMs,
    });
    await kill();
  }
}

async function expectNothingLost(load: AppendLoad): Promise<void> {
  expect(await load.violations(), `seed ${seed}`).toEqual([]);
  expect(load.oracle.acknowledged).toBe(load.oracle.begun);
}

async function untilReadiness(url: string, ready: boolean): Promise<void> {
  const isSo = async () => (await fetch(`${url}/health/ready`)).status === (ready ? 200 : 503);
  await waitUntil(isSo, { what: `/health/ready to say ${ready ? 200 : 503}`, timeoutMs: recoveryMs });
}

/** The process of a connection that appends, in the middle of a transaction. */
async function findAppendingBackend(dataDir: DataDir): Promise<number> {
  const client = new Client(await dataDir.connection());
  // It goes down with the others.
  client.on('error', () => {});
  await client.connect();
  try {
    return await waitUntil(
      async () => {
        const { rows } = await client.query<{ pid: number }>(
          `select pid from pg_stat_activity where application_name = 'fleetlm-append' and state <> 'idle' limit 1`,
        );
        return rows[0]?.pid;
      },
      { what: 'a connection that appends' },
    );
  } finally {
    await client.end();
  }
}
