import { alternate } from '../alternate.ts';
import { forgetful, requireCold } from '../cold-joins.ts';
import { type FilledSessions, fillSessions } from '../fill-sessions.ts';
import { formatCount } from '../format-number.ts';
import type { ClosedLoopResult } from '../load/closed-loop.ts';
import { type Counted, cpuRows } from '../measure-cpu.ts';
import type { OwnServer } from '../own-server.ts';
import type { BenchDatabase } from '../postgres.ts';
import { compare, failureRows, type Row, rateRow, timeRows } from '../row.ts';
import type { Scenario } from '../scenario.ts';
import { serverDefaults } from '../server-defaults.ts';
import type { OwnStage } from '../stage.ts';
import { type CatchUpSize, measureCatchUp } from './catch-up.ts';
import { measureReconnect, type ReconnectSize } from './reconnect.ts';

export interface JoinSize {
  /** A socket each, with one join on its way. */
  readonly joiners: number;
  /** Sessions of each joiner; when it comes back to the first one, that is cold again. */
  readonly coldEach: number;
  /** A page that fits a screen. */
  readonly messages: number;
  readonly catchUp: CatchUpSize;
  readonly reconnect: ReconnectSize;
}

const fullSize: JoinSize = {
  joiners: 50,
  coldEach: 100,
  messages: 20,
  catchUp: { messages: 1_000, readers: 20 },
  reconnect: { sockets: 2_000, missedEach: 5, messages: 20 },
};

/** What coming costs, and coming back. */
export const join: Scenario = {
  name: 'join',
  summary: [
    'sessions that are followed, or cold',
    `${formatCount(fullSize.catchUp.messages)} missed messages`,
    `${formatCount(fullSize.reconnect.sockets)} sockets that come back at once`,
  ].join('; '),
  run: (stage) => measureJoin(stage, fullSize),
};

export async function measureJoin(stage: OwnStage, size: JoinSize): Promise<Row[]> {
  const database = await stage.postgres.createDatabase('join');
  const joins = await measureJoins(stage, database, size);
  await using server = await stage.startServer(database);
  const catchUp = await measureCatchUp(stage, { server, database, size: size.catchUp });
  const reconnect = await measureReconnect(stage, { server, database, size: size.reconnect });
  return [...joins, ...catchUp, ...reconnect];
}

async function measureJoins(stage: OwnStage, database: BenchDatabase, size: JoinSize): Promise<Row[]> {
  await using server = await stage.startServer(database, forgetful);
  const warm = await openWarm(stage, { server, database, size });
  const cold = await openCold(stage, { server, database, size });
  for (const run of [warm, cold]) await run(stage.warmUpSeconds);
  const results = await alternate(stage, {
    warm: () => warm(stage.seconds),
    cold: () => cold(stage.seconds),
  });
  return toRows(size, results);
}

interface OpenOptions {
  readonly server: OwnServer;
  readonly database: BenchDatabase;
  readonly size: JoinSize;
}

/** All join the same sessions, which somebody follows all the while. */
async function openWarm(stage: OwnStage, { server, database, size: { joiners, messages } }: OpenOptions) {
  const count = serverDefaults.maxTopics;
  const { readerId, writerId, ids } = await fillSessions(database, { name: 'warm', count, messages });
  const topics = ids.map(topicOf);
  const url = await server.socketUrl(readerId);
  const load = await stage.openLoad('join', {
    joiners: Array.from({ length: joiners }, () => ({ url, topics })),
    inFlight: joiners,
    follower: { url: await server.socketUrl(writerId), topics },
    messages,
  });
  return (seconds: number) => stage.measure(server, load, { seconds });
}

/** Each joins sessions of its own, which nobody has open. */
async function openCold(stage: OwnStage, { server, database, size }: OpenOptions) {
  const { joiners, coldEach, messages } = size;
  const filled = await fillSessions(database, { name: 'cold', count: joiners * coldEach, messages });
  const load = await stage.openLoad('join', {
    joiners: await deal(server, filled, joiners),
    inFlight: joiners,
    messages,
  });
  return (seconds: number) => requireCold(server, () => stage.measure(server, load, { seconds }));
}

/** Sessions in equal parts, to sockets of their reader. */
async function deal(server: OwnServer, { readerId, ids }: FilledSessions, joiners: number) {
  const url = await server.socketUrl(readerId);
  const each = ids.length / joiners;
  return Array.from({ length: joiners }, (_, n) => ({
    url,
    topics: ids.slice(n * each, (n + 1) * each).map(topicOf),
  }));
}

type Result = ClosedLoopResult & Counted;
type Results = Readonly<Record<'warm' | 'cold', readonly Result[]>>;

function toRows(size: JoinSize, { warm, cold }: Results): Row[] {
  const followed = rateRow('of sessions that are followed', 'joins/s', warm);
  const closed = rateRow('of sessions that nobody has open', 'joins/s', cold);
  return [
    followed,
    compare(closed, { name: followed.what, values: followed.values }),
    ...detailsOf('warm join', size, warm),
    ...detailsOf('cold join', size, cold),
  ];
}

function detailsOf(what: string, { joiners }: JoinSize, results: readonly Result[]): Row[] {
  return [
    ...timeRows(`${what}, ${joiners} in flight`, results, ['p50', 'p95']),
    ...failureRows(what, results),
    ...cpuRows(`${what}, and its leave`, results),
  ];
}

function topicOf(sessionId: string): string {
  return `session:${sessionId}`;
}
