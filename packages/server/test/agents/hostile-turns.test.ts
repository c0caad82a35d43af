import type { Socket } from 'node:net';
import {
  AgentServer,
  answerText,
  type HostileMode,
  hostileModes,
  maxUnreadBytes,
  type RawFrame,
  RawHttpServer,
  SessionClient,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { answerLimits } from '../../src/agents/answer/answer-limits.ts';
import {
  type AgentSession,
  deliveriesOf,
  joinAs,
  makeSession,
  makeUser,
  messagesOf,
  say,
  startAgentSession,
  startAgentSessionAt,
  timelineOf,
  turnsAtRest,
  turnsOf,
} from './fixtures.ts';

/** I27, S23: hostile agents on a whole server, where others talk and are answered. */

/** Short ones, so that the table ends soon; what is not about time meets none of them. */
const limits = {
  first_chunk: { timeout_ms: 250 },
  idle: { idle_timeout_ms: 150 },
  whole: { max_duration_ms: 300 },
} as const;
const retryPolicy = { max_attempts: 2, backoff_ms: [0] };
const pairs = 4;
const rounds = 40;

let server: TestServer;
let good: AgentServer;

beforeAll(async () => {
  server = await startTestServer();
  good = await AgentServer.start(answerText('Good morning, I am well, and how are you today?'));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await good[Symbol.asyncDispose]();
});

/** An agent that does one thing wrong, and a session in which it is asked. */
interface HostileAgent {
  readonly mode: HostileMode;
  readonly endpoint: RawHttpServer;
  readonly sockets: Socket[];
  readonly session: AgentSession;
}

async function startHostile(mode: HostileMode): Promise<HostileAgent> {
  const endpoint = await RawHttpServer.start();
  const sockets: Socket[] = [];
  endpoint.greet = (socket) => {
    sockets.push(socket);
    mode.greet?.(socket);
  };
  endpoint.answer = (socket) => mode.answer(socket, endpoint);
  const limit = mode.limit === undefined ? {} : limits[mode.limit];
  const session = await startAgentSessionAt(server, endpoint.url(), { retry_policy: retryPolicy, ...limit });
  return { mode, endpoint, sockets, session };
}

/** Two people with a session of their own. */
interface Pair extends AsyncDisposable {
  /** How long it takes until the other one has a message, in ms. */
  talk(): Promise<number>;
}

async function startPair(index: number): Promise<Pair> {
  const ids = [`user:left${index}`, `user:right${index}`] as const;
  for (const id of ids) await makeUser(server, id);
  const sessionId = await makeSession(server, { initiator_id: ids[0], peer_id: ids[1] });
  const [left, right] = await Promise.all(
    ids.map(async (id) => {
      const client = await SessionClient.open(server.socketUrl(id), sessionId);
      await client.join();
      return client;
    }),
  );
  return {
    talk: async () => {
      const beganMs = performance.now();
      const seq = await left!.say('Hello');
      await right!.socket.next(([, , , event, payload]) => event === 'message' && payload.seq === seq);
      return performance.now() - beganMs;
    },
    [Symbol.asyncDispose]: async () => {
      await left![Symbol.asyncDispose]();
      await right![Symbol.asyncDispose]();
    },
  };
}

interface Latencies {
  /** Of people's messages, until the other one has them. */
  readonly people: number[];
  /** Of the good agent's answers, until they are over. */
  readonly agent: number[];
}

/** People talk and the good agent answers, so many times and until it is enough. */
async function converse(
  people: readonly Pair[],
  asker: SessionClient,
  isEnough: () => boolean,
): Promise<Latencies> {
  const latencies: Latencies = { people: [], agent: [] };
  const talk = async (pair: Pair) => {
    for (let round = 0; round < rounds || !isEnough(); round++) latencies.people.push(await pair.talk());
  };
  const ask = async () => {
    for (let round = 0; round < rounds / 4 || !isEnough(); round++)
      latencies.agent.push(await answerTo(asker));
  };
  await Promise.all([...people.map(talk), ask()]);
  return latencies;
}

async function answerTo(asker: SessionClient): Promise<number> {
  const beganMs = performance.now();
  await asker.say('How are you?');
  await asker.socket.next(([, , , event, payload]) => event === 'message' && payload.kind === 'assistant');
  return performance.now() - beganMs;
}

/** What the table says of a turn. */
function wantedStatus({ reason, retryable = false, begins = false }: HostileMode): string {
  if (reason === null) return 'completed';
  return retryable && !begins ? 'dead' : 'failed';
}

/** It ended as documented, its deliveries say why, and the session shows it. */
async function check({ mode, session }: HostileAgent): Promise<void> {
  const status = wantedStatus(mode);
  const [turn, ...others] = await turnsOf(server, session);
  expect(others).toEqual([]);
  expect(turn, mode.name).toMatchObject({ status, attempt: status === 'dead' ? 2 : 1 });
  const deliveries = await deliveriesOf(server, session.agentId, turn.attempt);
  expect(deliveries, mode.name).toHaveLength(turn.attempt);
  for (const { error_reason } of deliveries) expect(error_reason, mode.name).toBe(mode.reason);
  expect(deliveries.map((delivery) => delivery.status)).toEqual(
    status === 'dead' ? ['retry', 'failed'] : [mode.reason === null ? 'sent' : 'failed'],
  );
  if (mode.reason !== null) expect(turn.error).toMatch(new RegExp(`^${mode.reason}: `));
  checkShown(mode, turn, (await messagesOf(server, session)).slice(1));
}

/** A notice, or what had come. */
function checkShown(mode: HostileMode, turn: RawFrame, replies: readonly RawFrame[]): void {
  if (mode.reason === null && replies.length === 0) return;
  expect(replies, mode.name).toHaveLength(1);
  const [reply] = replies;
  expect(reply.seq).toBe(turn.reply_seq);
  if (reply.kind === 'system') {
    expect(reply.metadata).toEqual({ agent_id: turn.agent_id, turn_id: turn.id, reason: mode.reason });
    return;
  }
  const ends = mode.reason === null ? ['finish'] : ['error', 'interrupted'];
  expect(ends, mode.name).toContain(reply.metadata.termination);
}

/** What must be as it was when the hostile ones are gone; caches of sessions and inboxes go by time. */
function baseline() {
  const { connections, topics, queuedBytes, streams, turns, pendingAppends, queries } = server.server.counts;
  return { connections, topics, queuedBytes, streams, turns, pendingAppends, queries };
}

test('every hostile agent ends as documented, while all others are served', async () => {
  await using stack = new AsyncDisposableStack();
  const people: Pair[] = [];
  for (let index = 0; index < pairs; index++) people.push(stack.use(await startPair(index)));
  const goodSession = await startAgentSession(server, good);
  const asker = stack.use(await joinAs(server, goodSession));
  const hostile = await Promise.all(hostileModes.map(startHostile));
  for (const { endpoint } of hostile) stack.use(endpoint);

  const before = await converse(people, asker, () => true);
  await waitUntil(() => server.server.counts.turns === 0 && server.server.counts.queries === 0);
  const counts = baseline();

  await Promise.all(hostile.map(({ session }) => say(server, session)));
  let areOver = false;
  const ends = Promise.all(hostile.map(({ session }) => turnsAtRest(server, session))).finally(() => {
    areOver = true;
  });
  const during = await converse(people, asker, () => areOver);
  await ends;

  for (const agent of hostile) await check(agent);
  const turns = await turnsOf(server, goodSession);
  expect(new Set(turns.map((turn) => turn.status))).toEqual(new Set(['completed']));
  expect(timelineOf(asker).filter((event) => event === 'finish')).toHaveLength(
    before.agent.length + during.agent.length,
  );
  const mostSent = Math.max(
    ...hostile.flatMap(({ sockets }) => sockets.map((socket) => socket.bytesWritten)),
  );
  expect(mostSent).toBeLessThan(answerLimits.maxBytes + maxUnreadBytes);
  await waitUntil(() => hostile.every(({ endpoint }) => endpoint.openConnections === 0), {
    what: 'the connections of the hostile ones are closed',
  });
  await expect.poll(baseline).toEqual(counts);
  process.stdout.write(`${describe('people', before.people, during.people)}\n`);
  process.stdout.write(`${describe('the good agent', before.agent, during.agent)}\n`);
});

/** The same in quiet and among hostile agents, which share the two cores, and the process, with what is measured. */
function describe(who: string, before: readonly number[], during: readonly number[]): string {
  const [quiet, loud] = [median(before), median(during)];
  const ratio = (loud / quiet).toFixed(1);
  return `${who}: ${quiet.toFixed(1)} ms, among ${hostileModes.length} hostile agents ${loud.toFixed(1)} ms (× ${ratio}, n=${during.length})`;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}
