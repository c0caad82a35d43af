import { alternateAll } from '../alternate.ts';
import { type FilledSessions, fillSessions } from '../fill-sessions.ts';
import { formatCount } from '../format-number.ts';
import type { FollowedInbox } from '../load/inbox-updates.ts';
import type { Follower } from '../load/join.ts';
import type { LoadProcess } from '../load/load-process.ts';
import { cpuRows } from '../measure-cpu.ts';
import type { OwnServer } from '../own-server.ts';
import { besideSmallest, failureRows, type Row, type Target, timeRows } from '../row.ts';
import type { Scenario } from '../scenario.ts';
import { serverDefaults } from '../server-defaults.ts';
import type { OwnStage } from '../stage.ts';

const sizes = [100, 10_000, 100_000];
/** At the largest size a page may take so much longer than at the smallest. */
const target: Target = { atMost: 2 };

/**
 * Of each inbox, at even distances, as many sessions get messages, in turn: when one has its turn again, more
 * others than an inbox shows (200) were active since, as if it were any of all its sessions.
 */
const maxActive = 500;
const burst = 100;

/** Whether somebody with a hundred thousand conversations waits longer than one with a hundred. */
export const inbox: Scenario = {
  name: 'inbox',
  summary: `first page, and updates, at ${sizes.map(formatCount).join(', ')} sessions; beside the smallest`,
  run: (stage) => measureInbox(stage, sizes),
};

/** An inbox of each of these sizes, the smallest first: each has at least a page, and a burst of sessions. */
export async function measureInbox(stage: OwnStage, counts: readonly number[]): Promise<Row[]> {
  const database = await stage.postgres.createDatabase('inbox');
  const server = await stage.startServer(database);
  const inboxes: FilledSessions[] = [];
  for (const count of counts) {
    stage.progress(`filling in ${formatCount(count)} sessions`);
    inboxes.push(await fillSessions(database, { name: `with-${count}`, count, messages: 1 }));
  }
  // Pages first: activity that is not written yet is of no account to them.
  const pages = await measurePages(stage, server, inboxes);
  return [...pages, ...(await measureUpdates(stage, server, inboxes))];
}

async function measurePages(
  stage: OwnStage,
  server: OwnServer,
  inboxes: readonly FilledSessions[],
): Promise<Row[]> {
  const load = await stage.openLoad('requests', { url: server.url });
  const runs = await Promise.all(
    inboxes.map(async ({ readerId }) => {
      const path = `/api/participants/${readerId}/inbox`;
      await checkPage(server, path);
      const requests = [{ method: 'GET' as const, path }];
      return (seconds: number) => load.run({ seconds, inFlight: 1, requests });
    }),
  );
  for (const run of runs) await run(stage.warmUpSeconds);
  const subjects = runs.map((run) => () => run(stage.seconds));
  const results = await alternateAll(stage, subjects, 'first page');
  const rows = inboxes.flatMap((inbox, n) =>
    timeRows(`first page, ${describe(inbox)}`, results[n]!, ['p50']),
  );
  const failures = inboxes.flatMap((inbox, n) => failureRows(`first page, ${describe(inbox)}`, results[n]!));
  return [...compareInboxes(inboxes, rows, target), ...failures];
}

/** A page that has not all that it should have takes less time. */
async function checkPage(server: OwnServer, path: string): Promise<void> {
  const { conversations } = await server.call('GET', path);
  const ids = (conversations as { session_id: string }[]).map(({ session_id: id }) => id);
  const { size } = new Set(ids);
  if (size === serverDefaults.pageLimit && ids.length === size) return;
  throw new Error(`${path} has ${ids.length} conversations, ${size} of them once`);
}

async function measureUpdates(
  stage: OwnStage,
  server: OwnServer,
  inboxes: readonly FilledSessions[],
): Promise<Row[]> {
  const followed = await Promise.all(inboxes.map((filled) => toFollowed(server, filled)));
  const load = await stage.openLoad('inbox updates', { inboxes: followed });
  await load.run({ seconds: stage.warmUpSeconds, inboxes: [...inboxes.keys()], messages: burst });
  const times = await measureUpdateTimes(stage, load, inboxes);
  return [...times, ...(await measureUpdateCpu(stage, { server, load, inboxes }))];
}

/** One message at a time, to each inbox in turn. */
async function measureUpdateTimes(
  stage: OwnStage,
  load: LoadProcess<'inbox updates'>,
  inboxes: readonly FilledSessions[],
): Promise<Row[]> {
  const { gatheringMs } = serverDefaults;
  const run = () => load.run({ seconds: stage.seconds, inboxes: [...inboxes.keys()], messages: 1 });
  const [results] = await alternateAll(stage, [run], 'updates');
  const rows = inboxes.map((inbox, n): Row => {
    const values = results!.map(({ times }) => times[n]!.p50 - gatheringMs);
    return {
      what: `update beyond ${gatheringMs} ms of gathering, ${describe(inbox)}, p50`,
      unit: 'ms',
      values,
    };
  });
  return compareInboxes(inboxes, rows);
}

interface CpuOptions {
  readonly server: OwnServer;
  readonly load: LoadProcess<'inbox updates'>;
  readonly inboxes: readonly FilledSessions[];
}

/** Many messages at once, each to another session of one inbox. */
async function measureUpdateCpu(stage: OwnStage, { server, load, inboxes }: CpuOptions): Promise<Row[]> {
  const subjects = [...inboxes.keys()].map(
    (n) => () => stage.measure(server, load, { seconds: stage.seconds, inboxes: [n], messages: burst }),
  );
  const results = await alternateAll(stage, subjects, `bursts of ${burst}`);
  const rows = inboxes.map((inbox, n) =>
    cpuRows(`message and update, ${describe(inbox)}`, results[n]!, ['server', 'postgres']),
  );
  return rows[0]!.flatMap((_, part) =>
    compareInboxes(
      inboxes,
      rows.map((parts) => parts[part]!),
    ),
  );
}

/** A row for each inbox; the smallest one's stands alone. */
function compareInboxes(
  inboxes: readonly FilledSessions[],
  rows: readonly Row[],
  targetOfLargest?: Target,
): Row[] {
  return [rows[0]!, ...besideSmallest(describe(inboxes[0]!), rows, targetOfLargest)];
}

async function toFollowed(
  server: OwnServer,
  { readerId, writerId, ids }: FilledSessions,
): Promise<FollowedInbox> {
  const count = Math.min(ids.length, maxActive);
  const topics = Array.from(
    { length: count },
    (_, n) => `session:${ids[Math.floor((n * ids.length) / count)]}`,
  );
  const url = await server.socketUrl(writerId);
  const senders: Follower[] = [];
  for (let from = 0; from < count; from += serverDefaults.maxTopics) {
    senders.push({ url, topics: topics.slice(from, from + serverDefaults.maxTopics) });
  }
  return { url: await server.socketUrl(readerId), topic: `inbox:${readerId}`, senders };
}

function describe({ ids }: FilledSessions): string {
  return `${formatCount(ids.length)} sessions`;
}
