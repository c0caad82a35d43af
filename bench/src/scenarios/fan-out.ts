import type { ChatServer } from '../chat-server.ts';
import { type CpuUse, cpuRows, measureCpu, type Processes } from '../cpu-use.ts';
import type { FanOutResult, FanOutRun } from '../load/audience.ts';
import { LoadProcess } from '../load/load-process.ts';
import { startOwnServer } from '../own-server.ts';
import { startPeer } from '../peers/peer-server.ts';
import { alternate } from '../rounds.ts';
import type { Row } from '../row.ts';
import type { RemoteStage, Scenario, Stage } from '../scenario.ts';

const sizes = [500, 2_000];
const burst = 10;
const shapes = [
  { name: 'single messages', messages: 1, timesBareLoop: 0.9 },
  { name: `bursts of ${burst}`, messages: burst, timesBareLoop: 2 },
];
const warmUpSeconds = 1;

/** How fast all in a conversation hear what one of them says. Ours is stored first; the peers store nothing. */
export const fanOut: Scenario = {
  name: 'fan-out',
  summary: `1 session, ${sizes.map(format).join(' and ')} subscribers; beside a bare ws loop, and a Socket.IO room`,
  run,
  runRemote,
};

type Shape = (typeof shapes)[number];

/** One server with its subscribers. */
interface Subject {
  readonly processes: Processes;
  run(order: FanOutRun): Promise<FanOutResult>;
}

interface Measured {
  readonly result: FanOutResult;
  readonly cpu: CpuUse;
}

async function run(stage: Stage): Promise<Row[]> {
  const rows: Row[] = [];
  for (const subscribers of sizes) rows.push(...(await compare(stage, subscribers)));
  return rows;
}

async function compare(stage: Stage, subscribers: number): Promise<Row[]> {
  const { rounds, seconds, postgres, progress } = stage;
  progress(`fan-out: ${format(subscribers)} subscribers`);
  await using resources = new AsyncDisposableStack();
  const own = await startOwn(stage, subscribers, resources);
  const { pieces } = await own.run({ seconds: warmUpSeconds, messages: burst });
  const peer = { subscribers, pieces, resources };
  const bare = await startBare(peer);
  const socketIo = await startSocketIo(peer, (await postgres.createDatabase('bench_socket_io')).url);
  for (const subject of [bare, socketIo]) await subject.run({ seconds: warmUpSeconds, messages: burst });
  const rows: Row[] = [];
  for (const shape of shapes) {
    const measure = ({ processes, run }: Subject) =>
      measureCpu(processes, () => run({ seconds, messages: shape.messages }));
    const results = await alternate(rounds, {
      own: (round) => {
        progress(`fan-out: ${describe(subscribers, shape)}, round ${round + 1} of ${rounds}`);
        return measure(own);
      },
      bare: () => measure(bare),
      socketIo: () => measure(socketIo),
    });
    rows.push(...rateRows(describe(subscribers, shape), shape, results));
    rows.push(...cpuRowsOf(describe(subscribers, shape), results));
  }
  return rows;
}

async function startOwn(
  { postgres }: Stage,
  subscribers: number,
  resources: AsyncDisposableStack,
): Promise<Subject> {
  const server = resources.use(await startOwnServer(await postgres.createDatabase('bench_fan_out')));
  const load = resources.use(await openLoad(server, subscribers));
  return {
    processes: { server: server.pid, postgres: postgres.pid, generator: load.pid },
    run: (order) => load.run(order),
  };
}

interface PeerOptions {
  readonly subscribers: number;
  readonly pieces: FanOutResult['pieces'];
  readonly resources: AsyncDisposableStack;
}

async function startBare({ subscribers, pieces, resources }: PeerOptions): Promise<Subject> {
  const server = resources.use(await startPeer('bare-ws-server'));
  const load = resources.use(await LoadProcess.open('bare fan-out', { url: server.url, subscribers }));
  return {
    processes: { server: server.pid, postgres: null, generator: load.pid },
    run: (order) => load.run({ ...order, pieces }),
  };
}

/** The Postgres of the peer has nothing to do here. */
async function startSocketIo(
  { subscribers, pieces, resources }: PeerOptions,
  databaseUrl: string,
): Promise<Subject> {
  const server = resources.use(await startPeer('socket-io-server', { DATABASE_URL: databaseUrl }));
  const load = resources.use(await LoadProcess.open('socket.io fan-out', { url: server.url, subscribers }));
  return {
    processes: { server: server.pid, postgres: null, generator: load.pid },
    run: (order) => load.run({ ...order, pieces }),
  };
}

async function runRemote({ rounds, seconds, server, progress }: RemoteStage): Promise<Row[]> {
  const rows: Row[] = [];
  for (const subscribers of sizes) {
    progress(`fan-out: ${format(subscribers)} subscribers`);
    await using load = await openLoad(server, subscribers);
    await load.run({ seconds: warmUpSeconds, messages: burst });
    for (const shape of shapes) {
      const { own } = await alternate(rounds, {
        own: (round) => {
          progress(`fan-out: ${describe(subscribers, shape)}, round ${round + 1} of ${rounds}`);
          return load.run({ seconds, messages: shape.messages });
        },
      });
      const values = own.map(({ perSecond }) => perSecond);
      rows.push({ what: describe(subscribers, shape), unit: 'deliveries/s', values });
    }
  }
  return rows;
}

async function openLoad(server: ChatServer, subscribers: number) {
  const [session] = await server.sessions(1);
  const { id, initiatorId, peerId } = session!;
  const urls = await Promise.all([initiatorId, peerId].map((member) => server.socketUrl(member)));
  return LoadProcess.open('fan-out', { urls, topic: `session:${id}`, subscribers });
}

type Results = Readonly<Record<'own' | 'bare' | 'socketIo', readonly Measured[]>>;

function rateRows(what: string, { timesBareLoop }: Shape, { own, bare, socketIo }: Results): Row[] {
  const ratesOf = (measured: readonly Measured[]) => measured.map(({ result }) => result.perSecond);
  const row = { unit: 'deliveries/s', values: ratesOf(own) } as const;
  return [
    {
      ...row,
      what: `${what}, stored`,
      against: { name: 'bare ws loop, not stored', values: ratesOf(bare) },
      target: { atLeast: timesBareLoop },
    },
    {
      ...row,
      what: 'the same',
      against: { name: 'Socket.IO room, not stored', values: ratesOf(socketIo) },
      target: { atLeast: 2 },
    },
  ];
}

/** Ours has its share of the commit in it: what the server does for it, and what Postgres does. */
function cpuRowsOf(what: string, { own, bare }: Results): Row[] {
  const rowsOf = (measured: readonly Measured[]) =>
    cpuRows(
      `delivery, commit included, ${what}`,
      measured.map(({ cpu }) => cpu),
      measured.map(({ result }) => result.count),
    );
  const [server, ...rest] = rowsOf(own);
  const [bareServer] = rowsOf(bare);
  if (server === undefined || bareServer === undefined) return [];
  return [{ ...server, against: { name: 'bare ws loop, no commit', values: bareServer.values } }, ...rest];
}

function describe(subscribers: number, { name }: Shape): string {
  return `${format(subscribers)} subscribers, ${name}`;
}

function format(count: number): string {
  return count.toLocaleString('en');
}
