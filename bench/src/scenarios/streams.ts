import { alternateAll } from '../alternate.ts';
import { formatCount } from '../format-number.ts';
import { inTurns } from '../in-turns.ts';
import type { LoadProcess } from '../load/load-process.ts';
import type { Member } from '../load/member.ts';
import type { StreamsResult } from '../load/streams.ts';
import { type CpuUse, cpuRows } from '../measure-cpu.ts';
import type { OwnServer } from '../own-server.ts';
import { besideSmallest, compare, failureRows, type Row, rateRow, timeRows } from '../row.ts';
import type { Scenario } from '../scenario.ts';
import { peakBytesOf } from '../settled-bytes.ts';
import type { OwnStage } from '../stage.ts';

export interface StreamsSize {
  /** At a time, the fewest first; each in a session of its own, with one reader. */
  readonly streams: readonly number[];
  /** They share the sessions. */
  readonly agents: number;
  /** Of each stream; as models write. */
  readonly perSecond: number;
}

const fullSize: StreamsSize = { streams: [50, 500], agents: 10, perSecond: 50 };
/** Fewer would be no stream. */
const minChunks = 10;

/** How long a word of an agent is on its way, and what it costs, when many agents speak at a time. */
export const streams: Scenario = {
  name: 'streams',
  summary: `${fullSize.streams.map(formatCount).join(' and ')} agents that stream ${fullSize.perSecond} chunks/s; beside the fewest, and beside what they sent`,
  run: (stage) => measureStreams(stage, fullSize),
};

export async function measureStreams(stage: OwnStage, size: StreamsSize): Promise<Row[]> {
  const agents = await stage.startAgents();
  const server = await stage.startServer(await stage.postgres.createDatabase('streams'));
  stage.progress(`making ${formatCount(size.streams.at(-1)!)} sessions with agents`);
  const members = await makeSessions(server, size, agents.url);
  const load = await stage.openLoad('streams', { members });
  const runs = size.streams.map((count) => () => runStreams(stage, { server, load, count, size }));
  await runs.at(-1)!();
  return toRows(size, await alternateAll(stage, runs));
}

/** Person n has a session with one of the agents, all of which are at the same address. */
async function makeSessions(server: OwnServer, size: StreamsSize, originUrl: string): Promise<Member[]> {
  await inTurns(Array(size.agents).keys(), async (n) => {
    await server.call('PUT', `/api/participants/${agentOf(n, size)}`, {});
    const endpoint = { origin_url: originUrl, history_mode: 'last' };
    await server.call('PUT', `/api/agents/${agentOf(n, size)}/endpoint`, endpoint);
  });
  const members: Member[] = [];
  await inTurns(Array(size.streams.at(-1)!).keys(), async (n) => {
    const person = `user:reader-${n}`;
    await server.call('PUT', `/api/participants/${person}`, {});
    const body = { initiator_id: person, peer_id: agentOf(n, size) };
    const { session } = await server.call('POST', '/api/sessions', body);
    const topic = `session:${(session as { id: string }).id}`;
    members[n] = { url: await server.socketUrl(person), topic };
  });
  return members;
}

function agentOf(n: number, { agents }: StreamsSize): string {
  return `agent:streaming-${n % agents}`;
}

interface RunOptions {
  readonly server: OwnServer;
  readonly load: LoadProcess<'streams'>;
  readonly count: number;
  readonly size: StreamsSize;
}

interface Measured extends StreamsResult {
  readonly cpu: CpuUse;
  readonly peakBytes: number | null;
}

async function runStreams(
  stage: OwnStage,
  { server, load, count, size: { perSecond } }: RunOptions,
): Promise<Measured> {
  const chunks = Math.max(minChunks, Math.round(stage.seconds * perSecond));
  const measure = () => stage.measure(server, load, { streams: count, chunks, perSecond });
  const { result, peakBytes } = await peakBytesOf(server.pid, measure);
  return { ...result, peakBytes };
}

function toRows({ streams: counts, perSecond }: StreamsSize, results: readonly Measured[][]): Row[] {
  const names = counts.map((count) => `${formatCount(count)} streams`);
  const beside = (rowsOf: (name: string, measured: readonly Measured[]) => Row[]) => {
    const sizes = names.map((name, n) => rowsOf(name, results[n]!));
    return sizes[0]!.flatMap((row, n) => [
      row,
      ...besideSmallest(
        names[0]!,
        sizes.map((rows) => rows[n]!),
      ),
    ]);
  };
  return [
    ...names.map((name, n) => deliveredRow(`${name} of ${perSecond} chunks/s, delivered`, results[n]!)),
    ...beside((name, measured) => timeRows(`${name}, from agent to reader`, measured, ['p50', 'p99'])),
    ...beside((name, measured) =>
      timeRows(
        `${name}, from question to first chunk`,
        measured.map(({ first }) => first),
        ['p50', 'p99'],
      ),
    ),
    ...beside((name, measured) => cpuRows(`chunk, ${name}`, measured)),
    ...names.flatMap((name, n) => [...coresRows(name, results[n]!), ...memoryRows(name, results[n]!)]),
    ...names.flatMap((name, n) => failureRows(name, results[n]!)),
  ];
}

/** A server that is not behind delivers as many as were sent, however many the machine lets the agents send. */
function deliveredRow(what: string, results: readonly Measured[]): Row {
  const sent = { name: 'sent', values: results.map(({ writtenPerSecond }) => writtenPerSecond) };
  return compare(rateRow(what, 'chunks/s', results), sent);
}

/** One core is a second of CPU in a second. */
function coresRows(name: string, results: readonly Measured[]): Row[] {
  const values = results.map(({ cpu, seconds }) => (cpu.server ?? NaN) / seconds);
  if (values.some(Number.isNaN)) return [];
  return [{ what: `${name}, the server's CPU`, unit: 'cores', values }];
}

function memoryRows(name: string, results: readonly Measured[]): Row[] {
  const values = results.map(({ peakBytes }) => (peakBytes ?? NaN) / 2 ** 20);
  if (values.some(Number.isNaN)) return [];
  return [{ what: `${name}, the server's memory at most`, unit: 'MiB', values }];
}
