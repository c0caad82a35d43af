import { seededRandom, testDatabase, waitUntil } from '@fleetlm/testkit';
import { expect, test } from 'vitest';
import { InboxWorld } from './oracle/inbox-world.ts';
import { Recount, unreadCounts } from './oracle/recount.ts';

/**
 * Unread counts against a recount from the log. People send, read, join, leave, archive and follow, over REST and
 * over sockets, in bursts of what happens at the same time, while servers come and go. After each burst everything
 * that can be asked for a count says what the log says; what was said meanwhile lies between.
 *
 * The long form: FLEETLM_ORACLE_OPERATIONS=20000 FLEETLM_ORACLE_SEED=7 npx vitest run unread-oracle
 */
const operationCount = Number(process.env['FLEETLM_ORACLE_OPERATIONS'] ?? 1_000);
const seed = Number(process.env['FLEETLM_ORACLE_SEED'] ?? Math.floor(Math.random() * 1e9));
const maxBurst = 30;
/** One burst of so many is cut by a restart. */
const burstsPerRestart = 25;

test(`every count equals a recount from the log (seed ${seed})`, {
  timeout: operationCount * 100,
}, async () => {
  await using resources = new AsyncDisposableStack();
  const database = resources.use(await testDatabase());
  const recount = resources.use(await Recount.open(database.url));
  const world = resources.use(await InboxWorld.open(database, seededRandom(seed)));
  for (let done = 0, burst = 1; done < operationCount; burst += 1) {
    const size = Math.min(1 + world.integer(maxBurst), operationCount - done);
    const underWay = Promise.all(Array.from({ length: size }, () => world.operate()));
    if (burst % burstsPerRestart === 0) await world.restart(underWay);
    await underWay;
    done += size;
    await recount.take();
    await expectInboxes(world, recount);
    expect(world.takeTold().flatMap((told) => recount.judge(told) ?? [])).toEqual([]);
    await expectAnswers(world, recount);
  }
});

/** REST shows the recount, and every open inbox shows what REST shows. */
async function expectInboxes(world: InboxWorld, recount: Recount): Promise<void> {
  const pages = new Map(
    await Promise.all(world.people.map(async (one) => [one, await world.inboxPage(one)] as const)),
  );
  for (const [participant, page] of pages) expect(unreadCounts(page)).toEqual(recount.inboxOf(participant));
  for (const { participant, inbox } of world.following) {
    const page = pages.get(participant)!;
    const isEqual = () => JSON.stringify(inbox.conversations) === JSON.stringify(page);
    await waitUntil(isEqual).catch(() => expect(inbox.conversations).toEqual(page));
    expect(inbox.gaps).toEqual([]);
  }
}

/** A read that moves nothing tells the count; the session tells where its people are. */
async function expectAnswers(world: InboxWorld, recount: Recount): Promise<void> {
  const { id, initiator } = world.pick(world.sessions);
  const counted = recount.get(initiator, id)!;
  const { body } = await world.api('GET', `/api/sessions/${id}`);
  expect(body.session.last_seq).toBe(counted.lastSeq);
  const told = await world.readNothing(initiator, id);
  if (told) expect(told).toEqual({ last_read_seq: counted.cursor, unread_count: counted.unread });
}
