/**
 * A server that is killed with `kill -9` while agents answer, and started again on the same data: every message that
 * is to wake an agent has one turn, and every turn one visible end.
 *
 * The long form kills it as often as you like:
 *
 *     FLEETLM_KILLS=200 npx vitest run tests/kill-turns.test.ts
 *
 * FLEETLM_SEED repeats a run's messages and failpoints (not its timing); a failure names the seed.
 */
import {
  FickleAgents,
  RestartingServer,
  seededRandom,
  TurnLoad,
  testDatabase,
  waitUntil,
} from '@fleetlm/testkit';
import { expect, test } from 'vitest';

const kills = Number(process.env['FLEETLM_KILLS'] ?? 5);
/** The long form waits until the leases of the dead run out, 10 s after the last kill; so does `take-over.test.ts`. */
const waitsForLeases = process.env['FLEETLM_KILLS'] !== undefined;
const seed = Number(process.env['FLEETLM_SEED'] ?? Date.now() % 1_000_000);
/** A restart and its turns take three seconds, leases that run out ten, all more on a machine with much else to do. */
const timeoutMs = 120_000 + kills * 10_000;

/**
 * Of a start, in turn; where there is none the test kills, as it does the first. Probabilities such that each takes about
 * a second.
 */
const failpoints = [
  null,
  'before_call=kill@0.05',
  'mid_stream=kill@0.005',
  'before_reply_append=kill@0.05',
  'after_commit_before_ack=kill@0.02',
];

test('nothing of a turn is lost or repeated by deaths', { timeout: timeoutMs }, async () => {
  await using database = await testDatabase();
  await using agents = await FickleAgents.start(seed);
  await using server = new RestartingServer((start) => ({
    DATABASE_URL: database.url,
    ...environmentOf(failpointOf(start), start),
  }));
  await using load = await TurnLoad.open(server, { seed, agents, database });
  await Promise.all([load.run(() => server.kills >= kills), killAtRandom(server, load)]);
  agents.isCalm = true;
  if (!waitsForLeases) await load.expireLeases();
  await load.rest();
  const statuses = JSON.stringify(await load.statuses());
  const redelivered = await load.redeliver();
  process.stdout.write(`${server.kills} kills: turns ${statuses}, ${redelivered} redelivered\n`);
  expect(await load.violations(), `seed ${seed}`).toEqual([]);
  // What is saved while its stream ends goes with the next save.
  await waitUntil(async () => (await load.segments()) === 0, { what: 'no segment is left' });
});

function failpointOf(start: number): string | null {
  return start < kills ? failpoints[start % failpoints.length]! : null;
}

/** The same seed again would kill every start at the same place, the first for one. */
function environmentOf(failpoint: string | null, start: number): Record<string, string> {
  return failpoint === null ? {} : { FLEETLM_FAILPOINTS: `${failpoint};seed=${seed + start}` };
}

/** Kills the starts without a failpoint after random numbers of acknowledgements, and waits for the others. */
async function killAtRandom(server: RestartingServer, { oracle }: TurnLoad): Promise<void> {
  const random = seededRandom(seed + 1);
  while (server.kills < kills) {
    const start = server.kills;
    await server.url();
    if (failpointOf(start) === null) {
      const target = oracle.acknowledged + Math.ceil(random() * 200);
      await waitUntil(() => oracle.acknowledged >= target, {
        what: 'acknowledgements',
        timeoutMs: 30_000,
      });
      server.process.kill('SIGKILL');
    }
    await waitUntil(() => server.kills > start, { what: `kill ${start + 1}`, timeoutMs: 60_000 });
  }
}
