import { type DirectSession, inTurns } from '../chat-server.ts';
import { cpuRows, measureCpu } from '../cpu-use.ts';
import type { ClosedLoopResult } from '../load/closed-loop.ts';
import { LoadProcess } from '../load/load-process.ts';
import type { RequestOrder } from '../load/requests.ts';
import { sampleText } from '../load/sender.ts';
import { type OwnServer, startOwnServer } from '../own-server.ts';
import { startPeer } from '../peers/peer-server.ts';
import { alternate } from '../rounds.ts';
import { failureRow, type Row } from '../row.ts';
import type { Scenario, Stage } from '../scenario.ts';
import type { Percentiles } from '../statistics.ts';

const inFlight = 20;
/** Sessions that are read get no messages meanwhile: their pages stay as long as they are. */
const writtenCount = 20;
const readCount = 5;
const pageLimit = 50;
const warmUpSeconds = 1;

/** What our calls cost beside the least that a call costs. */
export const rest: Scenario = {
  name: 'rest',
  summary: `append and history by REST, ${inFlight} in flight, and 1; beside bare Fastify, and a one-row commit`,
  run,
};

async function run({ rounds, seconds, postgres, progress }: Stage): Promise<Row[]> {
  await using server = await startOwnServer(await postgres.createDatabase('bench_rest'));
  const sessions = await server.sessions(writtenCount + readCount);
  const written = sessions.slice(0, writtenCount).map(toAppend);
  const read = sessions.slice(writtenCount).map(toHistory);
  await fillPages(server, sessions.slice(writtenCount));
  const pageBytes = await countPageBytes(server.url, read[0]!);
  await using peer = await startPeer('bare-fastify-server', {
    DATABASE_URL: (await postgres.createDatabase('bench_fastify')).url,
    PAGE_BYTES: String(pageBytes),
  });
  const peerBytes = await countPageBytes(peer.url, read[0]!);
  if (peerBytes !== pageBytes) throw new Error(`a page of ${peerBytes} bytes, and not of ${pageBytes}`);
  await using own = await LoadProcess.open('requests', { url: server.url });
  await using bare = await LoadProcess.open('requests', { url: peer.url });
  await using commit = await LoadProcess.open('one-row commit', {
    target: (await postgres.createDatabase('bench_rest_one_row')).target,
    connections: 1,
  });
  const warmUp = Math.min(warmUpSeconds, seconds);
  for (const load of [own, bare]) {
    for (const requests of [written, read]) await load.run({ seconds: warmUp, inFlight, requests });
  }
  await commit.run({ seconds: warmUp });
  const measure = (load: typeof own, pid: number, requests: readonly RequestOrder[]) =>
    measureCpu({ server: pid, postgres: postgres.pid, generator: load.pid }, () =>
      load.run({ seconds, inFlight, requests }),
    );
  const results = await alternate(rounds, {
    append: (round) => {
      progress(`rest: round ${round + 1} of ${rounds}`);
      return measure(own, server.pid, written);
    },
    bareAppend: () => measure(bare, peer.pid, written),
    appendAlone: () => own.run({ seconds, inFlight: 1, requests: written }),
    bareAppendAlone: () => bare.run({ seconds, inFlight: 1, requests: written }),
    commit: () => commit.run({ seconds }),
    history: () => measure(own, server.pid, read),
    bareHistory: () => measure(bare, peer.pid, read),
  });
  return [
    ...busyRows('append', results.append, { name: 'bare Fastify + INSERT', measured: results.bareAppend }),
    timeRow('append, 1 in flight', 'p50', results.appendAlone, ['one-row commit', results.commit]),
    timeRow('the same', 'p50', results.appendAlone, ['bare Fastify + INSERT', results.bareAppendAlone]),
    timeRow('the same', 'p99', results.appendAlone, ['bare Fastify + INSERT', results.bareAppendAlone]),
    ...failureRow([...results.appendAlone, ...results.bareAppendAlone]),
    ...busyRows(`history of ${pageLimit}`, results.history, {
      name: 'bare Fastify, as many bytes',
      measured: results.bareHistory,
    }),
  ];
}

function toAppend({ id, initiatorId }: DirectSession): RequestOrder {
  const body = { sender_id: initiatorId, content: { text: sampleText } };
  return { method: 'POST', path: `/api/sessions/${id}/messages`, body };
}

function toHistory({ id }: DirectSession): RequestOrder {
  return { method: 'GET', path: `/api/sessions/${id}/messages?limit=${pageLimit}` };
}

/** A whole page of messages in each session. */
async function fillPages(server: OwnServer, sessions: readonly DirectSession[]): Promise<void> {
  const calls = sessions.map(toAppend).flatMap((call) => Array.from({ length: pageLimit }, () => call));
  await inTurns(calls, async ({ method, path, body }) => {
    await server.call(method, path, body);
  });
}

async function countPageBytes(url: string, { path }: RequestOrder): Promise<number> {
  const response = await fetch(new URL(path, url));
  return (await response.arrayBuffer()).byteLength;
}

type Measured = Awaited<ReturnType<typeof measureCpu<ClosedLoopResult>>>;

/** Rate, times and CPU of what was measured with many in flight, beside the peer's. */
function busyRows(
  what: string,
  measured: readonly Measured[],
  peer: { readonly name: string; readonly measured: readonly Measured[] },
): Row[] {
  const results = measured.map(({ result }) => result);
  const peers = peer.measured.map(({ result }) => result);
  const cpu = (name: string, of: readonly Measured[]) =>
    cpuRows(
      name,
      of.map((each) => each.cpu),
      of.map(({ result }) => result.count),
    );
  return [
    {
      what: `${what}, ${inFlight} in flight`,
      unit: 'requests/s',
      values: results.map(({ perSecond }) => perSecond),
      against: { name: peer.name, values: peers.map(({ perSecond }) => perSecond) },
    },
    timeRow('the same', 'p50', results, [peer.name, peers]),
    timeRow('the same', 'p99', results, [peer.name, peers]),
    ...failureRow(results),
    ...failureRow(peers),
    ...cpu(what, measured),
    ...cpu(`${what}, ${peer.name}`, peer.measured),
  ];
}

function timeRow(
  what: string,
  name: keyof Percentiles,
  results: readonly Percentiles[],
  [against, others]: readonly [name: string, results: readonly Percentiles[]],
): Row {
  return {
    what: `${what}, ${name}`,
    unit: 'ms',
    values: results.map((result) => result[name]),
    against: { name: against, values: others.map((result) => result[name]) },
  };
}
