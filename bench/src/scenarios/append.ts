import type { ChatServer } from '../chat-server.ts';
import { cpuRows, measureCpu } from '../cpu-use.ts';
import type { AppendResult } from '../load/append.ts';
import { LoadProcess } from '../load/load-process.ts';
import { startOwnServer } from '../own-server.ts';
import { startPeer } from '../peers/peer-server.ts';
import { alternate } from '../rounds.ts';
import { failureRow, type Row } from '../row.ts';
import type { RemoteStage, Scenario, Stage } from '../scenario.ts';
import { sendersOf } from '../senders.ts';

const sockets = 100;
const inFlight = 5;
/** As the server has by default. */
const lanes = 2;
/** Before the first round: V8 compiles, Postgres fills its caches. */
const warmUpSeconds = 2;

/** As many messages as the server acknowledges, beside what Postgres could do and what is usual. */
export const append: Scenario = {
  name: 'append',
  summary: `${sockets} sockets × ${inFlight} in flight; beside the bare statement, and Socket.IO + INSERT`,
  run,
  runRemote,
};

async function run({ rounds, seconds, postgres, progress }: Stage): Promise<Row[]> {
  const database = await postgres.createDatabase('bench_append');
  await using server = await startOwnServer(database);
  await using load = await openLoad(server);
  const own = { server: server.pid, postgres: postgres.pid, generator: load.pid };
  await using statement = await LoadProcess.open('append statement', {
    target: database.target,
    // The same tables, other sessions: the server must not find messages that it did not store.
    sessions: (await server.sessions(2 * sockets))
      .slice(sockets)
      .map(({ id, initiatorId }) => ({ id, senderId: initiatorId })),
    lanes,
  });
  await using peer = await startPeer('socket-io-server', {
    DATABASE_URL: (await postgres.createDatabase('bench_socket_io')).url,
  });
  await using peerLoad = await LoadProcess.open('socket.io append', {
    url: peer.url,
    rooms: Array.from({ length: sockets }, (_, n) => `room ${n}`),
    inFlight,
  });
  const batches = async () => ({
    count: await server.metric('fleetlm_append_batch_rows_count'),
    rows: await server.metric('fleetlm_append_batch_rows_sum'),
  });
  const measure = async () => {
    const before = await batches();
    const { result, cpu } = await measureCpu(own, () => load.run({ seconds }));
    const after = await batches();
    return { ...result, cpu, batchRows: (after.rows - before.rows) / (after.count - before.count) };
  };
  progress('append: warming up');
  const warmUp = { seconds: Math.min(seconds, warmUpSeconds) };
  await load.run(warmUp);
  await peerLoad.run(warmUp);
  let { batchRows } = await measure();
  await statement.run({ ...warmUp, batchRows: Math.round(batchRows) });
  const results = await alternate(rounds, {
    own: async (round) => {
      progress(`append: round ${round + 1} of ${rounds}`);
      const result = await measure();
      batchRows = result.batchRows;
      return result;
    },
    statement: () => statement.run({ seconds, batchRows: Math.round(batchRows) }),
    socketIo: () =>
      measureCpu({ server: peer.pid, postgres: postgres.pid, generator: peerLoad.pid }, () =>
        peerLoad.run({ seconds }),
      ),
  });
  const acknowledged = results.own.map(({ perSecond }) => perSecond);
  const socketIo = results.socketIo.map(({ result }) => result.perSecond);
  return [
    {
      what: `acknowledged, ${sockets} sockets × ${inFlight} in flight`,
      unit: 'messages/s',
      values: acknowledged,
      against: {
        name: 'the append statement alone',
        values: results.statement.map(({ perSecond }) => perSecond),
      },
      target: { atLeast: 0.45 },
    },
    {
      what: 'the same',
      unit: 'messages/s',
      values: acknowledged,
      against: { name: 'Socket.IO + INSERT', values: socketIo },
      target: { atLeast: 8 },
    },
    ...figures(results.own),
    { what: 'messages of one commit', unit: 'rows', values: results.own.map((result) => result.batchRows) },
    ...cpuRows(
      'message',
      results.own.map(({ cpu }) => cpu),
      results.own.map(({ count }) => count),
    ),
    ...cpuRows(
      'message, Socket.IO + INSERT',
      results.socketIo.map(({ cpu }) => cpu),
      results.socketIo.map(({ result }) => result.count),
    ),
  ];
}

async function runRemote({ rounds, seconds, server, progress }: RemoteStage): Promise<Row[]> {
  await using load = await openLoad(server);
  await load.run({ seconds: Math.min(seconds, warmUpSeconds) });
  const { own } = await alternate(rounds, {
    own: (round) => {
      progress(`append: round ${round + 1} of ${rounds}`);
      return load.run({ seconds });
    },
  });
  return [
    {
      what: `acknowledged, ${sockets} sockets × ${inFlight} in flight`,
      unit: 'messages/s',
      values: own.map(({ perSecond }) => perSecond),
    },
    ...figures(own),
  ];
}

async function openLoad(server: ChatServer) {
  const senders = await sendersOf(server, await server.sessions(sockets));
  return LoadProcess.open('append', { senders, inFlight });
}

function figures(results: readonly AppendResult[]): Row[] {
  const values = (of: (result: AppendResult) => number) => results.map(of);
  return [
    { what: 'received', unit: 'messages/s', values: values(({ receivedPerSecond }) => receivedPerSecond) },
    { what: 'until acknowledged, p50', unit: 'ms', values: values(({ p50 }) => p50) },
    { what: 'until acknowledged, p95', unit: 'ms', values: values(({ p95 }) => p95) },
    { what: 'until acknowledged, p99', unit: 'ms', values: values(({ p99 }) => p99) },
    ...failureRow(results),
  ];
}
