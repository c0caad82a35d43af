import { type GrownLoad, GrownServer } from '../grown-server.ts';
import type { ClosedLoopResult } from '../load/closed-loop.ts';
import { alternate } from '../rounds.ts';
import { failureRow, type Row, type Target } from '../row.ts';
import type { Scenario, Stage } from '../scenario.ts';

const warmUpSeconds = 1;
/** At the largest size nothing may take longer than this beside the smallest, and no rate be lower. */
const sameTime: Target = { atMost: 1.15 };
const sameRate: Target = { atLeast: 0.87 };

/** Whether anything takes longer because much is stored. */
export const growth: Scenario = {
  name: 'growth',
  summary: 'inbox, history, cold join, append at 10 thousand, 1 and 5 million messages; beside the smallest',
  run: (stage) => measureGrowth(stage, { sizes: [10_000, 1_000_000, 5_000_000], messagesEach: 100 }),
};

export interface GrowthOrder {
  /** Messages that are stored at the start, the fewest first. */
  readonly sizes: readonly number[];
  /** Of these, so many in each session. */
  readonly messagesEach: number;
}

/** What is asked of each server; reads come first, since they would find what is appended. */
interface Subject {
  readonly what: string;
  readonly open: (server: GrownServer) => GrownLoad | Promise<GrownLoad>;
  readonly figures: readonly Figure[];
}

interface Figure {
  readonly name: string;
  readonly unit: Row['unit'];
  readonly of: (result: ClosedLoopResult) => number;
  readonly target: Target;
}

const time: Figure = { name: 'p50', unit: 'ms', of: ({ p50 }) => p50, target: sameTime };
const rate: Figure = {
  name: 'acknowledged',
  unit: 'messages/s',
  of: ({ perSecond }) => perSecond,
  target: sameRate,
};

/** One subject at one size. */
interface Measured {
  readonly messages: number;
  readonly results: readonly ClosedLoopResult[];
}

export async function measureGrowth(stage: Stage, { sizes, messagesEach }: GrowthOrder): Promise<Row[]> {
  const subjects: Subject[] = [
    { what: 'inbox page', open: (server) => server.openInbox(), figures: [time] },
    {
      what: 'history page',
      open: (server) => server.openHistory(Math.floor(messagesEach / 4)),
      figures: [time],
    },
    { what: 'cold join', open: (server) => server.openJoin(), figures: [time] },
    { what: 'append', open: (server) => server.openAppend(), figures: [rate, time] },
  ];
  await using resources = new AsyncDisposableStack();
  const servers: GrownServer[] = [];
  for (const messages of sizes) {
    stage.progress(`growth: filling in ${formatCount(messages)} messages`);
    servers.push(resources.use(await GrownServer.start(stage.postgres, { messages, messagesEach })));
  }
  const rows: Row[] = [];
  for (const subject of subjects) rows.push(...toRows(subject, await measure(stage, servers, subject)));
  return [...rows, await endRow(servers[0]!)];
}

async function measure(
  { rounds, seconds, progress }: Stage,
  servers: readonly GrownServer[],
  { what, open }: Subject,
): Promise<Measured[]> {
  await using resources = new AsyncDisposableStack();
  const subjects: Record<string, (round: number) => Promise<ClosedLoopResult>> = {};
  for (const server of servers) {
    const load = resources.use(await open(server));
    await load.run(Math.min(warmUpSeconds, seconds));
    subjects[server.messages] = (round) => {
      progress(`growth: ${what} at ${formatCount(server.messages)}, round ${round + 1} of ${rounds}`);
      return load.run(seconds);
    };
  }
  const results = await alternate(rounds, subjects);
  return servers.map(({ messages }) => ({ messages, results: results[messages]! }));
}

function toRows({ what, figures }: Subject, [smallest, ...larger]: readonly Measured[]): Row[] {
  const compared = figures.flatMap(({ name, unit, of, target }) =>
    larger.map(({ messages, results }, index) => ({
      what: `${what}, ${name}, at ${formatCount(messages)} messages`,
      unit,
      values: results.map(of),
      against: { name: `at ${formatCount(smallest!.messages)}`, values: smallest!.results.map(of) },
      ...(index === larger.length - 1 && { target }),
    })),
  );
  return [...compared, ...failureRow([smallest!, ...larger].flatMap(({ results }) => results))];
}

/** What is appended counts as well: the smallest size does not stay what it was. */
async function endRow(server: GrownServer): Promise<Row> {
  const what = `stored in the end, of ${formatCount(server.messages)} at the start`;
  return { what, unit: 'rows', values: [await server.countMessages()] };
}

function formatCount(count: number): string {
  return count.toLocaleString('en');
}
