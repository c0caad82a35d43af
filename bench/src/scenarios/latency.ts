import { alternate } from '../alternate.ts';
import type { ChatServer } from '../chat-server.ts';
import { formatCount } from '../format-number.ts';
import type { PacedResult } from '../load/paced.ts';
import { cpuRows } from '../measure-cpu.ts';
import { initiatorsOf } from '../members.ts';
import { compare, failureRows, type Row, timeRows } from '../row.ts';
import type { Scenario } from '../scenario.ts';
import type { OwnStage, Stage } from '../stage.ts';

const alone = '1 socket, 1 in flight';
/** Messages by the clock, over so many sessions. */
const perSecond = 1_000;
const sessions = 50;
const paced = `${formatCount(perSecond)} messages/s over ${sessions} sessions`;

/** How long somebody waits for a message to be safe, when there is little to do, and when there is some. */
export const latency: Scenario = {
  name: 'latency',
  summary: `${alone}; ${paced}; beside a one-row commit`,
  run: measureLatency,
  runRemote: measureRemote,
};

async function measureLatency(stage: OwnStage): Promise<Row[]> {
  const { seconds } = stage;
  const server = await stage.startServer(await stage.postgres.createDatabase('latency'));
  const { target } = await stage.postgres.createDatabase('latency_one_row');
  const loads = await openLoads(stage, server);
  const commit = await stage.openLoad('one-row commit', { target });
  await commit.run({ seconds: stage.warmUpSeconds });
  const results = await alternate(stage, {
    alone: () => loads.alone.run({ seconds }),
    commit: () => commit.run({ seconds }),
    paced: () => stage.measure(server, loads.paced, { seconds }),
  });
  const [p50, ...rest] = timeRows(`${alone}, until acknowledged`, results.alone);
  const commits = results.commit.map((result) => result.p50);
  return [
    compare(p50!, { name: 'one-row commit', values: commits }, { atMost: 1.8 }),
    ...rest,
    ...failureRows(alone, results.alone),
    ...failureRows('one-row commit', results.commit),
    ...pacedRows(results.paced),
    ...cpuRows(`message at ${formatCount(perSecond)}/s`, results.paced),
  ];
}

async function measureRemote(stage: Stage, server: ChatServer): Promise<Row[]> {
  const { seconds } = stage;
  const loads = await openLoads(stage, server);
  const results = await alternate(stage, {
    alone: () => loads.alone.run({ seconds }),
    paced: () => loads.paced.run({ seconds }),
  });
  return [
    ...timeRows(`${alone}, until acknowledged`, results.alone),
    ...failureRows(alone, results.alone),
    ...pacedRows(results.paced),
  ];
}

async function openLoads(stage: Stage, server: ChatServer) {
  const senders = await initiatorsOf(server, await server.sessions(sessions));
  const loads = {
    alone: await stage.openLoad('append', { senders: senders.slice(0, 1), inFlight: 1 }),
    paced: await stage.openLoad('paced', { senders, perSecond }),
  };
  for (const load of [loads.alone, loads.paced]) await load.run({ seconds: stage.warmUpSeconds });
  return loads;
}

function pacedRows(results: readonly PacedResult[]): Row[] {
  return [...timeRows(`${paced}, until acknowledged`, results), ...failureRows(paced, results)];
}
