import { alternateAll } from '../alternate.ts';
import { formatCount } from '../format-number.ts';
import { type Ask, GrownServer } from '../grown-server.ts';
import type { ClosedLoopResult } from '../load/closed-loop.ts';
import { besideSmallest, failureRows, type Row, rateRow, type Target, timeRows } from '../row.ts';
import type { Scenario } from '../scenario.ts';
import type { OwnStage } from '../stage.ts';

export interface GrowthSize {
  /** Messages that are stored at the start, the fewest first. */
  readonly sizes: readonly number[];
  /** Of these, so many in each session. */
  readonly messagesEach: number;
}

const fullSize: GrowthSize = { sizes: [10_000, 1_000_000, 5_000_000], messagesEach: 100 };

/** At the largest size nothing may take longer than this beside the smallest, and no rate be lower. */
const sameTime: Target = { atMost: 1.15 };
const sameRate: Target = { atLeast: 0.87 };

/** Whether anything takes longer because much is stored. */
export const growth: Scenario = {
  name: 'growth',
  summary: `inbox, history, cold join, append at ${fullSize.sizes.map(formatCount).join(', ')} messages; beside the smallest`,
  run: (stage) => measureGrowth(stage, fullSize),
};

/** What is asked of each server. */
interface Subject {
  readonly what: string;
  readonly open: (server: GrownServer) => Ask | Promise<Ask>;
}

/** Reads come first: they would find what is appended. */
const subjects: readonly Subject[] = [
  { what: 'inbox page', open: (server) => server.openInbox() },
  { what: 'history page', open: (server) => server.openHistory() },
  { what: 'cold join', open: (server) => server.openJoin() },
  { what: 'append', open: (server) => server.openAppend() },
];

export async function measureGrowth(stage: OwnStage, { sizes, messagesEach }: GrowthSize): Promise<Row[]> {
  const servers: GrownServer[] = [];
  for (const messages of sizes) {
    stage.progress(`filling in ${formatCount(messages)} messages`);
    servers.push(await GrownServer.start(stage, { messages, messagesEach }));
  }
  const rows: Row[] = [];
  for (const subject of subjects) rows.push(...toRows(subject, await measure(stage, servers, subject)));
  return [...rows, await endRow(servers[0]!)];
}

/** One subject at one size. */
interface Measured {
  readonly messages: number;
  readonly results: readonly ClosedLoopResult[];
}

async function measure(
  stage: OwnStage,
  servers: readonly GrownServer[],
  { what, open }: Subject,
): Promise<Measured[]> {
  const asks: Ask[] = [];
  for (const server of servers) asks.push(await open(server));
  for (const ask of asks) await ask(stage.warmUpSeconds);
  const results = await alternateAll(
    stage,
    asks.map((ask) => () => ask(stage.seconds)),
    what,
  );
  return servers.map(({ messages }, n) => ({ messages, results: results[n]! }));
}

function toRows({ what }: Subject, measured: readonly Measured[]): Row[] {
  const times = measured.map(
    ({ messages, results }) => timeRows(describe(what, messages), results, ['p50'])[0]!,
  );
  const rates = measured.map(({ messages, results }) =>
    rateRow(describe(what, messages), 'messages/s', results),
  );
  const smallest = `at ${formatCount(measured[0]!.messages)}`;
  return [
    ...(what === 'append' ? besideSmallest(smallest, rates, sameRate) : []),
    ...besideSmallest(smallest, times, sameTime),
    ...measured.flatMap(({ messages, results }) => failureRows(describe(what, messages), results)),
  ];
}

function describe(what: string, messages: number): string {
  return `${what} at ${formatCount(messages)} messages`;
}

/** What is appended counts as well: the smallest size does not stay what it was. */
async function endRow(server: GrownServer): Promise<Row> {
  const what = `stored in the end, of ${formatCount(server.messages)} at the start`;
  return { what, unit: 'messages', values: [await server.countMessages()] };
}
