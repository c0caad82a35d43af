import { fillInbox } from '@fleetlm/testkit';
import { type CpuUse, cpuRows, measureCpu } from '../cpu-use.ts';
import type { FollowedInbox } from '../load/inbox-updates.ts';
import { LoadProcess } from '../load/load-process.ts';
import { type OwnServer, startOwnServer } from '../own-server.ts';
import { type BenchDatabase, query } from '../postgres.ts';
import { alternate } from '../rounds.ts';
import type { Row } from '../row.ts';
import type { Scenario, Stage } from '../scenario.ts';

const sizes = [100, 10_000, 100_000] as const;
type Size = (typeof sizes)[number];

/** As the server has it by default. */
const pageSize = 50;
/** The server gathers what happens for so long before it updates an inbox (`flushMs` of its inboxes). */
const gatheringMs = 100;

/**
 * Of each inbox, at even distances, as many sessions get messages, in turn: when one has its turn again, more others
 * than an inbox shows (200) were active since, as if it were any of all its sessions.
 */
const maxActive = 500;
/** Of a socket, as the server has it by default. */
const maxTopics = 100;
const burst = 100;
const warmUpSeconds = 2;

/** Whether somebody with a hundred thousand conversations waits longer than one with a hundred. */
export const inbox: Scenario = {
  name: 'inbox',
  summary: `first page, and updates, at ${sizes.map(grouped).join(', ')} sessions`,
  run,
};

async function run(stage: Stage): Promise<Row[]> {
  const database = await stage.postgres.createDatabase('bench_inbox');
  await using server = await startOwnServer(database);
  const sessions = new Map<Size, string[]>();
  for (const size of sizes) {
    stage.progress(`inbox: filling ${grouped(size)} sessions`);
    sessions.set(size, await fill(database, size));
  }
  await query(database.target, 'vacuum analyze');
  // Pages first: activity that is not written yet is of no account to them.
  return [...(await measurePages(stage, server)), ...(await measureUpdates(stage, server, sessions))];
}

async function measurePages({ rounds, seconds, progress }: Stage, server: OwnServer): Promise<Row[]> {
  await using load = await LoadProcess.open('inbox pages', {
    url: server.url,
    participantIds: sizes.map(participantOf),
    pageSize,
  });
  await load.run({ seconds: Math.min(seconds, warmUpSeconds) });
  const { pages } = await alternate(rounds, {
    pages: (round) => {
      progress(`inbox: first page, round ${round + 1} of ${rounds}`);
      return load.run({ seconds });
    },
  });
  return besideSmallest(
    sizes.map((size, index) => ({
      what: `first page, ${grouped(size)} sessions, p50`,
      unit: 'ms',
      values: pages.map((times) => times[index]!.p50),
    })),
    [{}, {}, { target: { atMost: 2 } }],
  );
}

async function measureUpdates(
  { rounds, seconds, postgres, progress }: Stage,
  server: OwnServer,
  sessions: ReadonlyMap<Size, readonly string[]>,
): Promise<Row[]> {
  const inboxes = await Promise.all(sizes.map((size) => followedInbox(server, size, sessions.get(size)!)));
  await using load = await LoadProcess.open('inbox updates', { inboxes });
  const processes = { server: server.pid, postgres: postgres.pid, generator: null };
  const bursts = (index: number) => () =>
    measureCpu(processes, () => load.run({ seconds, inboxes: [index], messages: burst }));
  await load.run({ seconds: Math.min(seconds, warmUpSeconds), inboxes: [0, 1, 2], messages: burst });
  const { single, ...results } = await alternate(rounds, {
    single: (round) => {
      progress(`inbox: updates, round ${round + 1} of ${rounds}`);
      return load.run({ seconds, inboxes: [0, 1, 2], messages: 1 });
    },
    100: bursts(0),
    10000: bursts(1),
    100000: bursts(2),
  });
  const times = sizes.map((size, index): Row => {
    const values = single.map((result) => result.times[index]!.p50 - gatheringMs);
    return {
      what: `update beyond the ${gatheringMs} ms of gathering, ${grouped(size)} sessions, p50`,
      unit: 'ms',
      values,
    };
  });
  const cpu = sizes.map((size) =>
    cpuRows(
      `message and update, ${grouped(size)} sessions`,
      results[size].map((part): CpuUse => part.cpu),
      results[size].map((part) => part.result.messages),
    ),
  );
  const byPart = cpu[0]!.map((_, part) => cpu.map((rows) => rows[part]!));
  return [times, ...byPart].flatMap((rows) => besideSmallest(rows));
}

/** The first of the rows is what the others are compared with. */
function besideSmallest(rows: readonly Row[], more: readonly Partial<Row>[] = []): Row[] {
  const against = { name: `${grouped(sizes[0])} sessions`, values: rows[0]!.values };
  return rows.map((row, index) => ({ ...row, ...(index > 0 && { against }), ...more[index] }));
}

function fill({ url }: BenchDatabase, size: Size): Promise<string[]> {
  return fillInbox(url, { participantId: participantOf(size), peerId: writerOf(size), count: size });
}

async function followedInbox(
  server: OwnServer,
  size: Size,
  sessions: readonly string[],
): Promise<FollowedInbox> {
  const active = Array.from(
    { length: Math.min(size, maxActive) },
    (_, n) => `session:${sessions[Math.floor((n * size) / Math.min(size, maxActive))]}`,
  );
  const url = await server.socketUrl(writerOf(size));
  const senders = Array.from({ length: active.length / maxTopics }, (_, n) => ({
    url,
    topics: active.slice(n * maxTopics, (n + 1) * maxTopics),
  }));
  const participantId = participantOf(size);
  return { url: await server.socketUrl(participantId), topic: `inbox:${participantId}`, senders };
}

function participantOf(size: Size): string {
  return `user:with-${size}`;
}

function writerOf(size: Size): string {
  return `user:writes-to-${size}`;
}

function grouped(size: number): string {
  return size.toLocaleString('en');
}
