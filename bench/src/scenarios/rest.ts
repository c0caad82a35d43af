import { alternate } from '../alternate.ts';
import type { DirectSession } from '../chat-server.ts';
import { inTurns } from '../in-turns.ts';
import type { ClosedLoopResult } from '../load/closed-loop.ts';
import type { RequestOrder } from '../load/requests.ts';
import { sampleText } from '../load/sample-text.ts';
import { type Counted, cpuRows } from '../measure-cpu.ts';
import type { OwnServer } from '../own-server.ts';
import { compare, failureRows, type Row, rateRow, timeRows } from '../row.ts';
import type { Scenario } from '../scenario.ts';
import { serverDefaults } from '../server-defaults.ts';
import type { OwnStage } from '../stage.ts';

const inFlight = 20;
/** Sessions that are read get no messages meanwhile: their pages stay as long as they are. */
const writtenCount = 20;
const readCount = 5;
const { pageLimit } = serverDefaults;

/** What our calls cost beside the least that a call costs. */
export const rest: Scenario = {
  name: 'rest',
  summary: `append and history by REST, ${inFlight} in flight, and 1; beside bare Fastify, and a one-row commit`,
  run: measureRest,
};

async function measureRest(stage: OwnStage): Promise<Row[]> {
  const server = await stage.startServer(await stage.postgres.createDatabase('rest'));
  const calls = await prepareCalls(server);
  const { target } = await stage.postgres.createDatabase('rest_one_row');
  const own = await openCaller(stage, server, calls);
  const bare = await openCaller(stage, await startBare(stage, server, calls.history[0]!), calls);
  const commit = await stage.openLoad('one-row commit', { target });
  await commit.run({ seconds: stage.warmUpSeconds });
  const results = await alternate(stage, {
    append: () => own.measure('append'),
    bareAppend: () => bare.measure('append'),
    appendAlone: () => own.runAlone('append'),
    bareAppendAlone: () => bare.runAlone('append'),
    commit: () => commit.run({ seconds: stage.seconds }),
    history: () => own.measure('history'),
    bareHistory: () => bare.measure('history'),
  });
  return toRows(results);
}

type Calls = Readonly<Record<'append' | 'history', readonly RequestOrder[]>>;

/** A whole page of messages is in each session that is read. */
async function prepareCalls(server: OwnServer): Promise<Calls> {
  const sessions = await server.sessions(writtenCount + readCount);
  const read = sessions.slice(writtenCount);
  const fill = read.map(toAppend).flatMap((call) => Array.from({ length: pageLimit }, () => call));
  await inTurns(fill, async ({ method, path, body }) => {
    await server.call(method, path, body);
  });
  return { append: sessions.slice(0, writtenCount).map(toAppend), history: read.map(toHistory) };
}

/** Its pages are as long as ours. */
async function startBare(stage: OwnStage, { url }: OwnServer, history: RequestOrder) {
  const pageBytes = await countPageBytes(url, history);
  const peer = await stage.startPeer('bare-fastify', {
    DATABASE_URL: (await stage.postgres.createDatabase('rest_fastify')).url,
    PAGE_BYTES: String(pageBytes),
  });
  const peerBytes = await countPageBytes(peer.url, history);
  if (peerBytes !== pageBytes) throw new Error(`a page of ${peerBytes} bytes, and not of ${pageBytes}`);
  return peer;
}

/** Callers of a server, ours or the peer, which are warm. */
async function openCaller(
  stage: OwnStage,
  server: { readonly url: string; readonly pid: number | null },
  calls: Calls,
) {
  const load = await stage.openLoad('requests', { url: server.url });
  const { seconds, warmUpSeconds } = stage;
  for (const requests of [calls.append, calls.history]) {
    await load.run({ seconds: warmUpSeconds, inFlight, requests });
  }
  return {
    measure: (call: keyof Calls) => stage.measure(server, load, { seconds, inFlight, requests: calls[call] }),
    runAlone: (call: keyof Calls) => load.run({ seconds, inFlight: 1, requests: calls[call] }),
  };
}

function toAppend({ id, initiatorId }: DirectSession): RequestOrder {
  const body = { sender_id: initiatorId, content: { text: sampleText } };
  return { method: 'POST', path: `/api/sessions/${id}/messages`, body };
}

function toHistory({ id }: DirectSession): RequestOrder {
  return { method: 'GET', path: `/api/sessions/${id}/messages?limit=${pageLimit}` };
}

async function countPageBytes(url: string, { path }: RequestOrder): Promise<number> {
  const response = await fetch(new URL(path, url));
  return (await response.arrayBuffer()).byteLength;
}

type Busy = readonly (ClosedLoopResult & Counted)[];
type Alone = readonly ClosedLoopResult[];

interface Results {
  readonly append: Busy;
  readonly bareAppend: Busy;
  readonly appendAlone: Alone;
  readonly bareAppendAlone: Alone;
  readonly commit: Alone;
  readonly history: Busy;
  readonly bareHistory: Busy;
}

const bareInsert = 'bare Fastify + INSERT';
const bareBytes = 'bare Fastify, as many bytes';

function toRows({ appendAlone, bareAppendAlone, commit, ...busy }: Results): Row[] {
  const alone = 'append, 1 in flight';
  return [
    ...busyRows('append', busy.append, { name: bareInsert, results: busy.bareAppend }),
    ...comparedTimes(alone, appendAlone, { name: 'one-row commit', results: commit }),
    ...comparedTimes(alone, appendAlone, { name: bareInsert, results: bareAppendAlone }),
    ...failureRows(alone, appendAlone),
    ...failureRows(`${alone}, ${bareInsert}`, bareAppendAlone),
    ...busyRows(`history of ${pageLimit}`, busy.history, { name: bareBytes, results: busy.bareHistory }),
  ];
}

interface Peer<Results> {
  readonly name: string;
  readonly results: Results;
}

/** Rate, times and CPU of what was measured with many in flight, beside the peer's. */
function busyRows(what: string, results: Busy, peer: Peer<Busy>): Row[] {
  const busy = `${what}, ${inFlight} in flight`;
  const { values } = rateRow(peer.name, 'requests/s', peer.results);
  return [
    compare(rateRow(busy, 'requests/s', results), { name: peer.name, values }),
    ...comparedTimes(busy, results, peer),
    ...failureRows(busy, results),
    ...failureRows(`${busy}, ${peer.name}`, peer.results),
    ...cpuRows(what, results),
    ...cpuRows(`${what}, ${peer.name}`, peer.results),
  ];
}

function comparedTimes(what: string, results: Alone, { name, results: others }: Peer<Alone>): Row[] {
  const percentiles = ['p50', 'p99'] as const;
  const theirs = timeRows(name, others, percentiles);
  return timeRows(what, results, percentiles).map((row, n) =>
    compare(row, { name, values: theirs[n]!.values }),
  );
}
