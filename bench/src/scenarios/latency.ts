import type { ChatServer } from '../chat-server.ts';
import { cpuRows, measureCpu } from '../cpu-use.ts';
import { LoadProcess } from '../load/load-process.ts';
import type { PacedResult } from '../load/paced.ts';
import { startOwnServer } from '../own-server.ts';
import { alternate } from '../rounds.ts';
import type { Row } from '../row.ts';
import type { RemoteStage, Scenario, Stage } from '../scenario.ts';
import { sendersOf } from '../senders.ts';
import type { Percentiles } from '../statistics.ts';

const pacedPerSecond = 1_000;
const pacedSessions = 50;
const warmUpSeconds = 1;

/** How long somebody waits for a message to be safe, when there is little to do, and when there is some. */
export const latency: Scenario = {
  name: 'latency',
  summary: `1 socket, 1 in flight; ${pacedPerSecond} messages/s over ${pacedSessions} sessions; beside a one-row commit`,
  run,
  runRemote,
};

async function run({ rounds, seconds, postgres, progress }: Stage): Promise<Row[]> {
  await using server = await startOwnServer(await postgres.createDatabase('bench_latency'));
  await using alone = await openAlone(server);
  await using paced = await openPaced(server);
  await using commit = await LoadProcess.open('one-row commit', {
    target: (await postgres.createDatabase('bench_one_row')).target,
    connections: 1,
  });
  for (const load of [alone, paced, commit]) await load.run({ seconds: Math.min(seconds, warmUpSeconds) });
  const results = await alternate(rounds, {
    alone: (round) => {
      progress(`latency: round ${round + 1} of ${rounds}`);
      return alone.run({ seconds });
    },
    commit: () => commit.run({ seconds }),
    paced: () =>
      measureCpu({ server: server.pid, postgres: postgres.pid, generator: paced.pid }, () =>
        paced.run({ seconds }),
      ),
  });
  const pacedResults = results.paced.map(({ result }) => result);
  const [first, ...rest] = times('1 socket, 1 in flight', results.alone);
  const commitTimes = results.commit.map(({ p50 }) => p50);
  return [
    { ...first!, against: { name: 'one-row commit', values: commitTimes }, target: { atMost: 1.8 } },
    ...rest,
    ...pacedRows(pacedResults),
    ...cpuRows(
      `message at ${pacedPerSecond}/s`,
      results.paced.map(({ cpu }) => cpu),
      pacedResults.map(({ count }) => count),
    ),
  ];
}

async function runRemote({ rounds, seconds, server, progress }: RemoteStage): Promise<Row[]> {
  await using alone = await openAlone(server);
  await using paced = await openPaced(server);
  for (const load of [alone, paced]) await load.run({ seconds: Math.min(seconds, warmUpSeconds) });
  const results = await alternate(rounds, {
    alone: (round) => {
      progress(`latency: round ${round + 1} of ${rounds}`);
      return alone.run({ seconds });
    },
    paced: () => paced.run({ seconds }),
  });
  return [...times('1 socket, 1 in flight', results.alone), ...pacedRows(results.paced)];
}

async function openAlone(server: ChatServer) {
  return LoadProcess.open('append', {
    senders: await sendersOf(server, await server.sessions(1)),
    inFlight: 1,
  });
}

async function openPaced(server: ChatServer) {
  return LoadProcess.open('paced', {
    senders: await sendersOf(server, await server.sessions(pacedSessions)),
    perSecond: pacedPerSecond,
  });
}

function pacedRows(results: readonly PacedResult[]): Row[] {
  const unsent = results.map(({ heldBack, failures }) => heldBack + failures);
  return [
    ...times(`${pacedPerSecond} messages/s over ${pacedSessions} sessions`, results),
    ...(unsent.some((count) => count > 0)
      ? [{ what: 'held back, or failed', unit: 'failures' as const, values: unsent }]
      : []),
  ];
}

function times(what: string, results: readonly Percentiles[]): Row[] {
  return (['p50', 'p95', 'p99'] as const).map((name) => ({
    what: `${what}, until acknowledged, ${name}`,
    unit: 'ms',
    values: results.map((result) => result[name]),
  }));
}
