import { alternate } from '../alternate.ts';
import type { ChatServer } from '../chat-server.ts';
import { formatCount } from '../format-number.ts';
import type { FanOutResult, FanOutRun } from '../load/audience.ts';
import { type Counted, cpuRows } from '../measure-cpu.ts';
import { membersOf } from '../members.ts';
import { compare, type Row, rateRow } from '../row.ts';
import type { Scenario } from '../scenario.ts';
import type { OwnStage, Stage } from '../stage.ts';

const sizes = [500, 2_000];
const burst = 10;
const shapes = [
  { name: 'single messages', messages: 1, timesBareLoop: 0.9 },
  { name: `bursts of ${burst}`, messages: burst, timesBareLoop: 2 },
];
type Shape = (typeof shapes)[number];

/**
 * How fast all in a conversation hear what one of them says. Ours is stored first; the peers store nothing.
 */
export const fanOut: Scenario = {
  name: 'fan-out',
  summary: `1 session, ${sizes.map(formatCount).join(' and ')} subscribers; beside a bare ws loop, and a Socket.IO room`,
  run: (stage) => measureFanOut(stage, sizes),
  runRemote: measureRemote,
};

/** A row of each shape, for each number of subscribers. */
export async function measureFanOut(stage: OwnStage, numbers: readonly number[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const subscribers of numbers) {
    stage.progress(`${formatCount(subscribers)} subscribers`);
    const subjects = await openSubjects(stage, subscribers);
    for (const shape of shapes) rows.push(...(await measureShape(stage, subjects, { subscribers, shape })));
  }
  return rows;
}

type Result = FanOutResult & Counted;
/** Bursts of so many messages, against one server. */
type Run = (order: FanOutRun) => Promise<Result>;

interface Subjects {
  readonly own: Run;
  readonly bare: Run;
  readonly socketIo: Run;
}

/** Each with its subscribers, and warm. The peers send what ours has sent, or there is nothing to compare. */
async function openSubjects(stage: OwnStage, subscribers: number): Promise<Subjects> {
  const warmUp = { seconds: stage.warmUpSeconds, messages: burst };
  const own = await openOwn(stage, subscribers);
  const { pieces } = await own(warmUp);
  const bare = await openBare(stage, subscribers, pieces);
  requireSame('the bare loop', pieces.join(), (await bare(warmUp)).pieces.join());
  const socketIo = await openSocketIo(stage, subscribers, pieces);
  requireSame('Socket.IO', toSocketIo(pieces).join(), (await socketIo(warmUp)).pieces.join());
  return { own, bare, socketIo };
}

async function openOwn(stage: OwnStage, subscribers: number): Promise<Run> {
  const server = await stage.startServer(await stage.postgres.createDatabase('fan_out'));
  const load = await openLoad(stage, server, subscribers);
  return (order) => stage.measure(server, load, order);
}

/** The message in another envelope. */
function toSocketIo([start, ...rest]: FanOutResult['pieces']): string[] {
  return [`42["message",${start!.slice(start!.indexOf('{'))}`, ...rest];
}

function requireSame(peer: string, expected: string, delivered: string): void {
  if (delivered !== expected) throw new Error(`${peer} delivers ${delivered}, and not ${expected}`);
}

async function openBare(stage: OwnStage, subscribers: number, pieces: FanOutResult['pieces']): Promise<Run> {
  const peer = await stage.startPeer('bare-ws');
  const load = await stage.openLoad('bare fan-out', { url: peer.url, subscribers });
  return (order) => stage.measure(peer, load, { ...order, pieces });
}

async function openSocketIo(
  stage: OwnStage,
  subscribers: number,
  pieces: FanOutResult['pieces'],
): Promise<Run> {
  const { url } = await stage.postgres.createDatabase('fan_out_socket_io');
  const peer = await stage.startPeer('socket-io', { DATABASE_URL: url });
  const load = await stage.openLoad('Socket.IO fan-out', { url: peer.url, subscribers });
  return (order) => stage.measure(peer, load, { ...order, pieces });
}

async function measureShape(
  stage: OwnStage,
  { own, bare, socketIo }: Subjects,
  { subscribers, shape }: { readonly subscribers: number; readonly shape: Shape },
): Promise<Row[]> {
  const what = describe(subscribers, shape);
  const order = { seconds: stage.seconds, messages: shape.messages };
  const subjects = { own: () => own(order), bare: () => bare(order), socketIo: () => socketIo(order) };
  return toRows(what, shape, await alternate(stage, subjects, what));
}

async function measureRemote(stage: Stage, server: ChatServer): Promise<Row[]> {
  const rows: Row[] = [];
  for (const subscribers of sizes) {
    const load = await openLoad(stage, server, subscribers);
    await load.run({ seconds: stage.warmUpSeconds, messages: burst });
    for (const shape of shapes) {
      const what = describe(subscribers, shape);
      const run = () => load.run({ seconds: stage.seconds, messages: shape.messages });
      const { own } = await alternate(stage, { own: run }, what);
      rows.push(rateRow(what, 'deliveries/s', own));
    }
  }
  return rows;
}

async function openLoad(stage: Stage, server: ChatServer, subscribers: number) {
  const members = await membersOf(server, await server.sessions(1));
  return stage.openLoad('fan-out', { members, subscribers });
}

type Results = Readonly<Record<keyof Subjects, readonly Result[]>>;

/** Ours has its commit in it: what the server does for it, and what Postgres does. */
function toRows(what: string, { timesBareLoop }: Shape, { own, bare, socketIo }: Results): Row[] {
  const stored = rateRow(`${what}, stored`, 'deliveries/s', own);
  const { values: ofBare } = rateRow('bare ws loop', 'deliveries/s', bare);
  const { values: ofSocketIo } = rateRow('Socket.IO room', 'deliveries/s', socketIo);
  return [
    compare(stored, { name: 'bare ws loop, not stored', values: ofBare }, { atLeast: timesBareLoop }),
    compare(stored, { name: 'Socket.IO room, not stored', values: ofSocketIo }, { atLeast: 2 }),
    ...cpuRows(`delivery, commit included, ${what}`, own),
    ...cpuRows(`delivery, bare ws loop, ${what}`, bare, ['server']),
    ...cpuRows(`delivery, Socket.IO room, ${what}`, socketIo, ['server']),
  ];
}

function describe(subscribers: number, { name }: Shape): string {
  return `${formatCount(subscribers)} subscribers, ${name}`;
}
