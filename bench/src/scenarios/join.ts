import { fillInbox } from '@fleetlm/testkit';
import { inTurns } from '../chat-server.ts';
import { cpuRows, measureCpu } from '../cpu-use.ts';
import type { ReaderOrder } from '../load/catch-up.ts';
import type { JoinResult } from '../load/join.ts';
import { LoadProcess } from '../load/load-process.ts';
import type { ReconnectResult } from '../load/reconnect.ts';
import { type OwnServer, startOwnServer } from '../own-server.ts';
import { type BenchDatabase, query } from '../postgres.ts';
import { alternate } from '../rounds.ts';
import { failureRow, type Row } from '../row.ts';
import type { Scenario, Stage } from '../scenario.ts';

/** One join in flight on each. */
const joiners = 50;
/** Of a socket, as the server has it by default. */
const maxTopics = 100;
/** Some thousand joins a second there are at best: a measurement takes a second or two, and the tables stay small. */
const joinsPerSecond = 20;
/** A page that fits a screen. */
const pageMessages = 20;

const missedMessages = 1_000;
const readersAtOnce = 20;

const reconnecting = 2_000;
const missedEach = 5;

/** What coming costs, and coming back. */
export const join: Scenario = {
  name: 'join',
  summary: `sessions that are followed, or cold; ${missedMessages} missed messages; ${reconnecting} sockets that come back at once`,
  run,
};

async function run(stage: Stage): Promise<Row[]> {
  const database = await stage.postgres.createDatabase('bench_join');
  await using server = await startOwnServer(database);
  const joinRows = await measureJoins(stage, server, database);
  const catchUpRows = await measureCatchUp(stage, server, database);
  return [...joinRows, ...catchUpRows, ...(await measureReconnect(stage, server, database))];
}

async function measureJoins(
  { rounds, seconds, postgres, progress }: Stage,
  server: OwnServer,
  database: BenchDatabase,
): Promise<Row[]> {
  const joinsEach = Math.min(Math.ceil(joinsPerSecond * seconds), maxTopics);
  progress('join: filling the tables');
  const warm = await fill(database, { name: 'warm', count: joinsEach, messages: pageMessages });
  // Nobody has read these since the server was started: each time the next ones, and once more to warm up.
  const cold = await fill(database, {
    name: 'cold',
    count: joiners * joinsEach * (rounds + 1),
    messages: pageMessages,
  });
  const takeCold = () => Array.from({ length: joiners }, () => cold.topics.splice(0, joinsEach));
  await using warmLoad = await LoadProcess.open('join', {
    urls: await urlsOf(server, warm.readerId),
    follower: { url: await server.socketUrl(warm.writerId), topics: warm.topics },
    messages: pageMessages,
  });
  await using coldLoad = await LoadProcess.open('join', {
    urls: await urlsOf(server, cold.readerId),
    messages: pageMessages,
  });
  const measure = async (load: LoadProcess<'join'>, topics: readonly (readonly string[])[]) => {
    const processes = { server: server.pid, postgres: postgres.pid, generator: load.pid };
    const { result, cpu } = await measureCpu(processes, () => load.run({ step: 'join', topics }));
    await load.run({ step: 'leave' });
    return { result: result!, cpu };
  };
  const joinWarm = () =>
    measure(
      warmLoad,
      Array.from({ length: joiners }, () => warm.topics),
    );
  const joinCold = () => measure(coldLoad, takeCold());
  progress('join: warming up');
  await joinWarm();
  await joinCold();
  const results = await alternate(rounds, {
    warm: (round) => {
      progress(`join: round ${round + 1} of ${rounds}`);
      return joinWarm();
    },
    cold: joinCold,
  });
  const rateOf = (part: typeof results.warm) => part.map(({ result }) => result.perSecond);
  return [
    { what: 'of followed sessions', unit: 'joins/s', values: rateOf(results.warm) },
    {
      what: 'of sessions that nobody has read',
      unit: 'joins/s',
      values: rateOf(results.cold),
      against: { name: 'of followed sessions', values: rateOf(results.warm) },
    },
    ...(['warm', 'cold'] as const).flatMap((part) => [
      ...joinTimes(
        part,
        results[part].map(({ result }) => result),
      ),
      ...cpuRows(
        `${part} join`,
        results[part].map(({ cpu }) => cpu),
        results[part].map(({ result }) => result.count),
      ),
    ]),
  ];
}

function joinTimes(part: string, results: readonly JoinResult[]): Row[] {
  return (['p50', 'p95'] as const).map((name) => ({
    what: `${part} join, ${joiners} in flight, ${name}`,
    unit: 'ms',
    values: results.map((result) => result[name]),
  }));
}

async function measureCatchUp(
  { rounds, seconds, postgres, progress }: Stage,
  server: OwnServer,
  database: BenchDatabase,
): Promise<Row[]> {
  const filled = await fill(database, { name: 'late', count: readersAtOnce, messages: missedMessages });
  const url = await server.socketUrl(filled.readerId);
  const readers: ReaderOrder[] = [];
  for (const topic of filled.topics) readers.push({ url, topic, ids: await readIds(server, topic) });
  await using load = await LoadProcess.open('catch up', { readers });
  await load.run({ seconds: Math.min(seconds, 1), readers: readersAtOnce });
  const results = await alternate(rounds, {
    alone: (round) => {
      progress(`join: catch-up, round ${round + 1} of ${rounds}`);
      return load.run({ seconds, readers: 1 });
    },
    atOnce: () =>
      measureCpu({ server: server.pid, postgres: postgres.pid, generator: load.pid }, () =>
        load.run({ seconds, readers: readersAtOnce }),
      ),
  });
  const what = `${missedMessages} missed messages`;
  return [
    { what: `${what} until the last has come, p50`, unit: 'ms', values: results.alone.map(({ p50 }) => p50) },
    { what: `${what} until the last has come, p95`, unit: 'ms', values: results.alone.map(({ p95 }) => p95) },
    {
      what: `${what}, ${readersAtOnce} readers at once`,
      unit: 'messages/s',
      values: results.atOnce.map(({ result }) => result.messagesPerSecond),
    },
    ...cpuRows(
      'missed message',
      results.atOnce.map(({ cpu }) => cpu),
      results.atOnce.map(({ result }) => result.messages),
    ),
  ];
}

async function measureReconnect(
  { rounds, postgres, progress }: Stage,
  server: OwnServer,
  database: BenchDatabase,
): Promise<Row[]> {
  const filled = await fill(database, { name: 'back', count: reconnecting, messages: pageMessages });
  const url = await server.socketUrl(filled.readerId);
  await using load = await LoadProcess.open('reconnect', {
    members: filled.topics.map((topic) => ({ url, topic })),
  });
  const results: { result: ReconnectResult; cpu: Awaited<ReturnType<typeof measureCpu>>['cpu'] }[] = [];
  // The first one warms up.
  for (let round = 0; round <= rounds; round += 1) {
    progress(`join: ${reconnecting} sockets come back, round ${round} of ${rounds}`);
    await load.run({ step: 'drop' });
    const missed = await sendMissed(server, filled);
    const { result, cpu } = await measureCpu(
      { server: server.pid, postgres: postgres.pid, generator: load.pid },
      () => load.run({ step: 'return', missed }),
    );
    if (round > 0) results.push({ result: result!, cpu });
  }
  const back = results.map(({ result }) => result);
  const what = `${reconnecting} sockets come back at once`;
  return [
    {
      what: `${what}, until all have caught up`,
      unit: 's',
      values: back.map(({ seconds }) => seconds),
      target: { atMost: 5 },
    },
    { what: `${what}, until one has, p50`, unit: 'ms', values: back.map(({ p50 }) => p50) },
    ...failureRow(back),
    ...cpuRows(
      'socket that comes back',
      results.map(({ cpu }) => cpu),
      results.map(() => reconnecting),
    ),
  ];
}

interface Filled {
  readonly readerId: string;
  readonly writerId: string;
  readonly topics: string[];
}

/** Direct sessions of two people, in which one has said something. */
async function fill(
  { target, url }: BenchDatabase,
  { name, count, messages }: { name: string; count: number; messages: number },
): Promise<Filled> {
  const [readerId, writerId] = [`user:${name}-reader`, `user:${name}-writer`];
  const sessions = await fillInbox(url, { participantId: readerId, peerId: writerId, count, messages });
  await query(target, 'vacuum analyze');
  return { readerId, writerId, topics: sessions.map((id) => `session:${id}`) };
}

function urlsOf(server: OwnServer, participantId: string): Promise<string[]> {
  return Promise.all(Array.from({ length: joiners }, () => server.socketUrl(participantId)));
}

/** What is said while nobody is there, in each session; returns the ids. */
async function sendMissed(server: OwnServer, { topics, writerId }: Filled): Promise<string[][]> {
  const missed = topics.map(() => [] as string[]);
  await inTurns([...topics.entries()], async ([index, topic]) => {
    for (let n = 0; n < missedEach; n += 1) {
      const body = { sender_id: writerId, content: { text: 'You are away, I think.' } };
      const { message } = await server.call('POST', `/api/sessions/${idOf(topic)}/messages`, body);
      missed[index]!.push((message as { id: string }).id);
    }
  });
  return missed;
}

/** The ids of all messages of a session, in order. */
async function readIds(server: OwnServer, topic: string): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const path = `/api/sessions/${idOf(topic)}/messages?limit=200&after_seq=${ids.length}`;
    const page = await server.call('GET', path);
    ids.push(...(page['messages'] as { id: string }[]).map(({ id }) => id));
    if (!page['has_more_after']) return ids;
  }
}

function idOf(topic: string): string {
  return topic.slice('session:'.length);
}
