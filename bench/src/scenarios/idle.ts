import { alternate } from '../alternate.ts';
import type { DirectSession } from '../chat-server.ts';
import { formatCount } from '../format-number.ts';
import { usualHeartbeatMs } from '../load/channel-socket.ts';
import { type CpuUse, cpuRows } from '../measure-cpu.ts';
import { membersOf } from '../members.ts';
import type { BenchDatabase } from '../postgres.ts';
import { compare, type Row } from '../row.ts';
import type { Scenario } from '../scenario.ts';
import { settledBytesOf } from '../settled-bytes.ts';
import type { OwnStage } from '../stage.ts';

export interface IdleSize {
  /** Joined sockets, the fewest first. */
  readonly sockets: readonly number[];
  readonly heartbeatMs: number;
  /** How long their heartbeats are measured. */
  readonly seconds: number;
}

/** CPU time comes in steps of 10 ms, and the heartbeats of 8,000 sockets take a few hundred in 10 s. */
const fullSize: IdleSize = { sockets: [2_000, 8_000], heartbeatMs: usualHeartbeatMs, seconds: 10 };

/** What it costs that people are there, and say nothing. */
export const idle: Scenario = {
  name: 'idle',
  summary: `memory of ${fullSize.sockets.map(formatCount).join(' and ')} joined sockets, CPU of their heartbeats; beside bare ws`,
  run: (stage) => measureIdle(stage, fullSize),
};

export async function measureIdle(stage: OwnStage, size: IdleSize): Promise<Row[]> {
  const database = await stage.postgres.createDatabase('idle');
  stage.progress(`making ${formatCount(size.sockets.at(-1)!)} participants, two to a session`);
  const sessions = await makeSessions(stage, database, size);
  const { own, bare } = await alternate(stage, {
    own: () => measureOwn(stage, { database, sessions, size }),
    bare: () => measureBare(stage, size),
  });
  return [
    ...size.sockets.flatMap((count, index) => memoryRows(count, bytesAt(index, own), bytesAt(index, bare))),
    ...heartbeatRows(size, own),
  ];
}

async function makeSessions(stage: OwnStage, database: BenchDatabase, { sockets }: IdleSize) {
  await using server = await stage.startServer(database);
  return await server.sessions(sockets.at(-1)! / 2);
}

/** Of the server, for each socket; null where it cannot be told. */
interface Memory {
  readonly bytes: readonly (number | null)[];
}

interface OwnResult extends Memory {
  readonly heartbeats: number;
  readonly cpu: CpuUse;
}

interface OwnOptions {
  readonly database: BenchDatabase;
  readonly sessions: readonly DirectSession[];
  readonly size: IdleSize;
}

async function measureOwn(stage: OwnStage, { database, sessions, size }: OwnOptions): Promise<OwnResult> {
  await using server = await stage.startServer(database);
  const members = await membersOf(server, sessions);
  await using load = await stage.openLoad('idle', { members, heartbeatMs: size.heartbeatMs });
  const open = (sockets: number) => load.run({ sockets, seconds: 0 });
  const bytes = await measureMemory(server.pid, size, open);
  const order = { sockets: members.length, seconds: size.seconds };
  return { bytes, ...(await stage.measure(server, load, order)) };
}

async function measureBare(stage: OwnStage, size: IdleSize): Promise<Memory> {
  await using peer = await stage.startPeer('bare-ws');
  await using load = await stage.openLoad('bare idle', { url: peer.url });
  return { bytes: await measureMemory(peer.pid, size, (sockets) => load.run({ sockets })) };
}

/** `open` sees to it that so many sockets are there. The server is a fresh one. */
async function measureMemory(
  pid: number | null,
  size: IdleSize,
  open: (sockets: number) => Promise<unknown>,
): Promise<(number | null)[]> {
  const settledBytes = async () => pid && (await settledBytesOf(pid));
  const before = await settledBytes();
  const bytes: (number | null)[] = [];
  for (const sockets of size.sockets) {
    await open(sockets);
    const after = await settledBytes();
    bytes.push(before === null || after === null ? null : (after - before) / sockets);
  }
  return bytes;
}

function memoryRows(sockets: number, own: readonly number[], bare: readonly number[]): Row[] {
  if ([...own, ...bare].some(Number.isNaN)) return [];
  const what = `memory for each of ${formatCount(sockets)} joined sockets`;
  return [compare({ what, unit: 'KiB', values: own }, { name: 'bare ws', values: bare }, { atMost: 1.4 })];
}

/** In KiB, of each round. */
function bytesAt(index: number, results: readonly Memory[]): number[] {
  return results.map(({ bytes }) => (bytes[index] ?? NaN) / 1_024);
}

function heartbeatRows({ sockets, seconds, heartbeatMs }: IdleSize, results: readonly OwnResult[]): Row[] {
  const count = sockets.at(-1)!;
  const answered = results.map(({ heartbeats }) => heartbeats / seconds);
  return [
    { what: `answered, ${formatCount(count)} sockets`, unit: 'heartbeats/s', values: answered },
    ...cpuRows(
      `socket and second: a heartbeat each ${heartbeatMs / 1_000} s, sweeps`,
      results.map(({ cpu }) => ({ cpu, count: count * seconds })),
    ),
  ];
}
