import type { DirectSession } from '../chat-server.ts';
import { type CpuUse, cpuRows, measureCpu } from '../cpu-use.ts';
import { LoadProcess } from '../load/load-process.ts';
import type { SenderOrder } from '../load/sender.ts';
import { type OwnServer, startOwnServer } from '../own-server.ts';
import { startPeer } from '../peers/peer-server.ts';
import type { BenchDatabase } from '../postgres.ts';
import { quietBytesOf } from '../resident-memory.ts';
import { alternate } from '../rounds.ts';
import type { Row } from '../row.ts';
import type { Scenario, Stage } from '../scenario.ts';

const few = 2_000;
const many = 8_000;
/** CPU time comes in steps of 10 ms, and the heartbeats of 8,000 sockets take a few hundred in this time. */
const heartbeatSeconds = 10;

/** What it costs that people are there, and say nothing. */
export const idle: Scenario = {
  name: 'idle',
  summary: `memory of ${format(few)} and ${format(many)} joined sockets, CPU of their heartbeats; beside bare ws`,
  run,
};

/** Bytes of the server for each socket. */
interface Memory {
  readonly ofFew: number;
  readonly ofMany: number;
}

async function run({ rounds, postgres, progress }: Stage): Promise<Row[]> {
  progress(`idle: ${format(many)} participants, two to a session`);
  const database = await postgres.createDatabase('bench_idle');
  const sessions = await makeSessions(database);
  const { own, bare } = await alternate(rounds, {
    own: (round) => {
      progress(`idle: round ${round + 1} of ${rounds}`);
      return measureOwn(database, sessions, postgres.pid);
    },
    bare: measureBare,
  });
  const cpu = own.map((result) => result.cpu);
  return [
    memoryRow(few, valuesOf(own, 'ofFew'), valuesOf(bare, 'ofFew')),
    memoryRow(many, valuesOf(own, 'ofMany'), valuesOf(bare, 'ofMany')),
    ...cpuRows(
      'socket and second: heartbeats each 30 s, sweeps',
      cpu,
      cpu.map(() => many * heartbeatSeconds),
    ),
  ];
}

async function makeSessions(database: BenchDatabase): Promise<readonly DirectSession[]> {
  await using server = await startOwnServer(database);
  return await server.sessions(many / 2);
}

async function measureOwn(
  database: BenchDatabase,
  sessions: readonly DirectSession[],
  postgresPid: number,
): Promise<Memory & { readonly cpu: CpuUse }> {
  await using server = await startOwnServer(database);
  await using load = await LoadProcess.open('idle', { members: await membersOf(server, sessions) });
  const memory = await measureMemory(server.pid, (sockets) => load.run({ sockets, seconds: 0 }));
  const processes = { server: server.pid, postgres: postgresPid, generator: load.pid };
  const { cpu } = await measureCpu(processes, () => load.run({ sockets: many, seconds: heartbeatSeconds }));
  return { ...memory, cpu };
}

async function measureBare(): Promise<Memory> {
  await using server = await startPeer('bare-ws-server');
  await using load = await LoadProcess.open('bare idle', { url: server.url });
  return await measureMemory(server.pid, (sockets) => load.run({ sockets }));
}

/** `open` sees to it that so many sockets are there. The server is a fresh one. */
async function measureMemory(pid: number, open: (sockets: number) => Promise<unknown>): Promise<Memory> {
  const before = await quietBytesOf(pid);
  await open(few);
  const ofFew = ((await quietBytesOf(pid)) - before) / few;
  await open(many);
  const ofMany = ((await quietBytesOf(pid)) - before) / many;
  return { ofFew, ofMany };
}

function membersOf(server: OwnServer, sessions: readonly DirectSession[]): Promise<SenderOrder[]> {
  const members = sessions.flatMap(({ id, initiatorId, peerId }) =>
    [initiatorId, peerId].map((participantId) => ({ participantId, topic: `session:${id}` })),
  );
  return Promise.all(
    members.map(async ({ participantId, topic }) => ({ url: await server.socketUrl(participantId), topic })),
  );
}

function memoryRow(sockets: number, own: readonly number[], bare: readonly number[]): Row {
  return {
    what: `memory for each of ${format(sockets)} joined sockets`,
    unit: 'KiB',
    values: own,
    against: { name: 'bare ws', values: bare },
    target: { atMost: 1.4 },
  };
}

function valuesOf(results: readonly Memory[], name: keyof Memory): number[] {
  return results.map((result) => result[name] / 1_024);
}

function format(count: number): string {
  return count.toLocaleString('en');
}
