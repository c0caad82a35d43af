import { alternate } from '../alternate.ts';
import type { ChatServer } from '../chat-server.ts';
import type { AppendResult } from '../load/append.ts';
import type { ClosedLoopResult } from '../load/closed-loop.ts';
import { type Counted, cpuRows } from '../measure-cpu.ts';
import { initiatorsOf } from '../members.ts';
import type { OwnServer } from '../own-server.ts';
import type { BenchDatabase } from '../postgres.ts';
import { compare, failureRows, type Row, rateRow, timeRows } from '../row.ts';
import type { Scenario } from '../scenario.ts';
import { serverDefaults } from '../server-defaults.ts';
import type { OwnStage, Stage } from '../stage.ts';

export interface AppendSize {
  /** Each in a session of its own. */
  readonly sockets: number;
  /** Of each socket. */
  readonly inFlight: number;
}

const fullSize: AppendSize = { sockets: 100, inFlight: 5 };

/** As many messages as the server acknowledges, beside what Postgres could do and what is usual. */
export const append: Scenario = {
  name: 'append',
  summary: `${describe(fullSize)}; beside the bare statement, and Socket.IO + INSERT`,
  run: (stage) => measureAppend(stage, fullSize),
  runRemote: (stage, server) => measureRemote(stage, server, fullSize),
};

export async function measureAppend(stage: OwnStage, size: AppendSize): Promise<Row[]> {
  const database = await stage.postgres.createDatabase('append');
  const server = await stage.startServer(database);
  const measureOwn = await openOwn(stage, server, size);
  const runStatement = await openStatement(stage, { server, database, size });
  const measureSocketIo = await openSocketIo(stage, size);
  let { batchRows } = await measureOwn(stage.warmUpSeconds);
  await runStatement(stage.warmUpSeconds, batchRows);
  await measureSocketIo(stage.warmUpSeconds);
  const results = await alternate(stage, {
    own: async () => {
      const result = await measureOwn(stage.seconds);
      ({ batchRows } = result);
      return result;
    },
    statement: () => runStatement(stage.seconds, batchRows),
    socketIo: () => measureSocketIo(stage.seconds),
  });
  return toRows(describe(size), results);
}

interface OwnResult extends AppendResult {
  /** Messages of one commit, on average. */
  readonly batchRows: number;
}

async function openOwn(stage: OwnStage, server: OwnServer, size: AppendSize) {
  const load = await openLoad(stage, server, size);
  return async (seconds: number) => {
    const before = await countBatches(server);
    const result = await stage.measure(server, load, { seconds });
    const after = await countBatches(server);
    const batchRows = (after.rows - before.rows) / (after.batches - before.batches);
    return { ...result, batchRows };
  };
}

interface StatementOptions {
  readonly server: OwnServer;
  readonly database: BenchDatabase;
  readonly size: AppendSize;
}

/** The same tables, other sessions: the server must not find messages that it did not store. */
async function openStatement(stage: OwnStage, { server, database, size: { sockets } }: StatementOptions) {
  const sessions = (await server.sessions(2 * sockets)).slice(sockets);
  const load = await stage.openLoad('append statement', {
    target: database.target,
    sessions: sessions.map(({ id, initiatorId }) => ({ id, senderId: initiatorId })),
    lanes: serverDefaults.lanes,
  });
  return (seconds: number, batchRows: number) => load.run({ seconds, batchRows: Math.round(batchRows) });
}

async function openSocketIo(stage: OwnStage, { sockets, inFlight }: AppendSize) {
  const { url } = await stage.postgres.createDatabase('append_socket_io');
  const peer = await stage.startPeer('socket-io', { DATABASE_URL: url });
  const load = await stage.openLoad('Socket.IO append', { url: peer.url, senders: sockets, inFlight });
  return (seconds: number) => stage.measure(peer, load, { seconds });
}

async function openLoad(stage: Stage, server: ChatServer, { sockets, inFlight }: AppendSize) {
  const senders = await initiatorsOf(server, await server.sessions(sockets));
  return stage.openLoad('append', { senders, inFlight });
}

async function countBatches(server: OwnServer) {
  const batches = await server.metric('fleetlm_append_batch_rows_count');
  return { batches, rows: await server.metric('fleetlm_append_batch_rows_sum') };
}

async function measureRemote(stage: Stage, server: ChatServer, size: AppendSize): Promise<Row[]> {
  const load = await openLoad(stage, server, size);
  await load.run({ seconds: stage.warmUpSeconds });
  const { own } = await alternate(stage, { own: () => load.run({ seconds: stage.seconds }) });
  return [rateRow(`acknowledged, ${describe(size)}`, 'messages/s', own), ...figuresOf(own)];
}

interface Results {
  readonly own: readonly (OwnResult & Counted)[];
  readonly statement: readonly ClosedLoopResult[];
  readonly socketIo: readonly (AppendResult & Counted)[];
}

function toRows(what: string, { own, statement, socketIo }: Results): Row[] {
  const acknowledged = rateRow(`acknowledged, ${what}`, 'messages/s', own);
  const { values: ofStatement } = rateRow('the append statement', 'messages/s', statement);
  const { values: ofSocketIo } = rateRow('Socket.IO', 'messages/s', socketIo);
  return [
    compare(acknowledged, { name: 'the append statement alone', values: ofStatement }, { atLeast: 0.45 }),
    compare(acknowledged, { name: 'Socket.IO + INSERT', values: ofSocketIo }, { atLeast: 8 }),
    ...figuresOf(own),
    { what: 'messages of one commit', unit: 'messages', values: own.map(({ batchRows }) => batchRows) },
    ...failureRows('the append statement', statement),
    ...failureRows('Socket.IO + INSERT', socketIo),
    ...cpuRows('message', own),
    ...cpuRows('message, Socket.IO + INSERT', socketIo),
  ];
}

function figuresOf(results: readonly AppendResult[]): Row[] {
  const received = results.map(({ receivedPerSecond }) => receivedPerSecond);
  return [
    { what: 'received', unit: 'messages/s', values: received },
    ...timeRows('until acknowledged', results),
    ...failureRows('append', results),
  ];
}

function describe({ sockets, inFlight }: AppendSize): string {
  return `${sockets} sockets × ${inFlight} in flight`;
}
