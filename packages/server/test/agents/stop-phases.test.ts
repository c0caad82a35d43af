/**
 * A stop at random phases of a turn, before three clients: the official one, single frames from a late join, and an
 * event stream over HTTP. The long form stops as often as you like:
 *
 *     FLEETLM_STOPS=300 npx vitest run stop-phases
 *
 * FLEETLM_SEED repeats a run's phases and words (not its timing); a failure names the seed.
 */
import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  AgentServer,
  beginStream,
  finishStream,
  isTerminal,
  type RawFrame,
  seededRandom,
  startTestServer,
  type TestServer,
  waitUntil,
  writeDelta,
} from '@fleetlm/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Chunk } from '../../src/streams/chunk.ts';
import { readBySdk } from '../streams/sdk-messages.ts';
import { type AgentSession, messagesOf, say, startAgentSession, turnsAtRest, userIdOf } from './fixtures.ts';
import { PhoenixView, RawView, readEventStream, type StreamView } from './stream-views.ts';

const stops = Number(process.env['FLEETLM_STOPS'] ?? 24);
const seed = Number(process.env['FLEETLM_SEED'] ?? Date.now() % 1_000_000);
/** Sessions at a time: enough that batches, claims and stops meet. */
const atOnce = 6;
/** What is promised of the agent's connection, from the stop's reply on. */
const closedWithinMs = 250;
const timeoutMs = 30_000 + stops * 500;

let server: TestServer;
let agents: AgentServer;
/** By session. */
const called = new Map<string, (response: ServerResponse) => void>();

beforeAll(async () => {
  server = await startTestServer();
  agents = await AgentServer.start((response, call) => called.get(call.data.session.id)!(response));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await agents[Symbol.asyncDispose]();
});

/** An agent that says what its scene wants, and knows when it is hung up on. */
class ScriptedAgent {
  readonly response: Promise<ServerResponse>;
  closedMs: number | null = null;
  isCalled = false;
  hasFinished = false;

  constructor(sessionId: string) {
    const { promise, resolve } = Promise.withResolvers<ServerResponse>();
    this.response = promise;
    called.set(sessionId, (response) => {
      this.isCalled = true;
      response.on('close', () => {
        this.closedMs = performance.now();
      });
      resolve(response);
    });
  }

  async begin(words: number): Promise<void> {
    const response = await this.response;
    beginStream(response);
    for (let word = 0; word < words; word++) writeDelta(response, `word ${word} `);
  }

  async finish(): Promise<void> {
    this.hasFinished = true;
    finishStream(await this.response);
  }
}

/** One turn that is stopped. */
interface Scene {
  readonly session: AgentSession;
  readonly agent: ScriptedAgent;
  readonly follower: PhoenixView;
  /** Who joins late, once it has. */
  late: RawView | null;
  /** What is read over HTTP, once there is a stream. */
  events: Promise<readonly Chunk[] | null> | null;
  readonly random: () => number;
}

interface Phase {
  readonly name: string;
  readonly endpoint?: object;
  /** Goes to where the stop comes. */
  readonly reach: (scene: Scene) => Promise<void>;
  /** What comes with the stop. */
  readonly meanwhile?: (scene: Scene) => Promise<unknown>;
  readonly canEndAs: readonly string[];
}

const phases: readonly Phase[] = [
  {
    name: 'debounced',
    endpoint: { debounce_ms: 60_000 },
    reach: async () => {},
    canEndAs: ['stopped'],
  },
  {
    name: 'claimed and connecting',
    reach: ({ random }) => pass(random() * 60),
    canEndAs: ['stopped'],
  },
  {
    name: 'silent',
    reach: async ({ agent }) => void (await agent.response),
    canEndAs: ['stopped'],
  },
  {
    name: 'at the first chunk',
    reach: async ({ agent, random }) => {
      await agent.begin(1 + random() * 3);
      await pass(random() * 60);
    },
    canEndAs: ['stopped'],
  },
  {
    name: 'mid-stream',
    reach: async (scene) => {
      await stream(scene);
      await pass(scene.random() * 60);
    },
    meanwhile: async ({ agent, random }) => {
      const response = await agent.response;
      for (let word = 0; word < 20; word++) {
        if (response.destroyed) return;
        writeDelta(response, `more ${word} `);
        await pass(random() * 5);
      }
    },
    canEndAs: ['stopped'],
  },
  {
    name: 'at the finish',
    reach: stream,
    meanwhile: async ({ agent }) => agent.finish(),
    canEndAs: ['stopped', 'completed'],
  },
  {
    name: 'behind the finish',
    reach: async (scene) => {
      await stream(scene);
      await scene.agent.finish();
      await pass(scene.random() * 120);
    },
    canEndAs: ['stopped', 'completed'],
  },
  {
    name: 'too late',
    reach: async (scene) => {
      await stream(scene);
      await scene.agent.finish();
      await turnsAtRest(server, scene.session);
    },
    canEndAs: ['completed'],
  },
];

/** Streams until it is seen, and somebody joins late. */
async function stream(scene: Scene): Promise<void> {
  const { session, agent, follower, random } = scene;
  await agent.begin(1 + random() * 30);
  const [push] = await waitUntil(() => follower.pushes.length > random() * 3 && follower.pushes, {
    what: 'chunks at the first client',
  });
  scene.events = readEventStream(server, session.id, push.stream_id);
  scene.late = await RawView.join(server, session.id, userIdOf(session.agentId));
}

/** Lets others go on, for so many turns of the event loop. */
async function pass(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await nextTurn();
}

/** Over the channel or REST, of the stream or of the session. */
async function stop({ session, follower, late, random }: Scene): Promise<string[]> {
  const [push] = follower.pushes;
  const body = push !== undefined && random() < 0.5 ? { stream_id: push.stream_id } : {};
  if (late !== null && random() < 0.5) return (await late.client.push('stop', body)).response.stopped;
  return (await server.api('POST', `/api/sessions/${session.id}/stop`, { body })).body.stopped;
}

interface Ended {
  readonly phase: string;
  readonly status: string;
  /** Whether its stream was read over HTTP as well. */
  readonly wasReadByHttp: boolean;
  /** From the stop's reply until the agent's connection was closed; null: there was none, or it had finished. */
  readonly closedAfterMs: number | null;
}

async function play(phase: Phase, random: () => number): Promise<Ended> {
  const session = await startAgentSession(server, agents, phase.endpoint);
  const agent = new ScriptedAgent(session.id);
  const userId = userIdOf(session.agentId);
  await using follower = await PhoenixView.join(server, session.id, userId);
  const scene: Scene = { session, agent, follower, late: null, events: null, random };
  await say(server, session);
  await phase.reach(scene);
  const [stopped] = await Promise.all([stop(scene), phase.meanwhile?.(scene)]);
  const repliedMs = performance.now();
  scene.late ??= await RawView.join(server, session.id, userId);
  await using late = scene.late;
  const [turn] = await turnsAtRest(server, session);
  expect(phase.canEndAs).toContain(turn.status);
  expect(stopped).toEqual(turn.status === 'stopped' ? [turn.id] : []);
  const events = (await scene.events) ?? null;
  await compare(session, turn, { views: [follower, late], events });
  const closedAfterMs = await closedAfter(agent, repliedMs);
  return { phase: phase.name, status: turn.status, wasReadByHttp: events !== null, closedAfterMs };
}

async function closedAfter(agent: ScriptedAgent, repliedMs: number): Promise<number | null> {
  if (!agent.isCalled || agent.hasFinished) return null;
  await waitUntil(() => agent.closedMs !== null, { what: 'the agent’s connection is closed' });
  return Math.max(0, agent.closedMs! - repliedMs);
}

interface Seen {
  readonly views: readonly StreamView[];
  readonly events: readonly Chunk[] | null;
}

/** Everybody has seen one end, the same, and what makes the message that is stored. */
async function compare(session: AgentSession, turn: RawFrame, { views, events }: Seen): Promise<void> {
  const stored = (await messagesOf(server, session)).find((message) => message.metadata.turn_id === turn.id);
  const termination = turn.status === 'completed' ? 'finish' : 'stopped';
  if (stored) expect(stored).toMatchObject({ id: turn.message_id, metadata: { termination } });
  expect(turn.reply_seq).toBe(stored?.seq ?? null);
  if (turn.stream_id === null) return;
  const [follower] = views as [StreamView];
  await waitUntil(() => follower.chunksOf(turn.stream_id).some(isTerminal), { what: 'the terminal chunk' });
  if (stored) await waitUntil(() => follower.hasMessage(stored.id), { what: 'the message' });
  for (const view of views) await view.settle();
  const shown = views.map((view) => view.chunksOf(turn.stream_id));
  if (events !== null) shown.push(events);
  for (const chunks of shown) {
    // Who joined when all was over was shown nothing of it.
    if (chunks.length === 0) continue;
    expect(chunks.findIndex(isTerminal)).toBe(chunks.length - 1);
    expect(chunks.at(-1)).toEqual({ type: termination === 'finish' ? 'finish' : 'abort' });
    const { message, error } = await readBySdk(chunks);
    expect(error).toBeNull();
    expect(message.parts).toEqual(stored?.content.parts ?? message.parts.filter(isEmpty));
  }
}

function isEmpty({ type, text }: { readonly type: string; readonly text?: unknown }): boolean {
  return type === 'text' && text === '';
}

test('whatever the phase: one end for everybody, the same text, and nothing after it', {
  timeout: timeoutMs,
}, async () => {
  const random = seededRandom(seed);
  const ended: Ended[] = [];
  let next = 0;
  const playOn = async () => {
    while (next < stops) {
      const phase = phases[next % phases.length]!;
      next += 1;
      try {
        ended.push(await play(phase, seededRandom(random() * 1e9)));
      } catch (error) {
        throw new Error(`${phase.name}, seed ${seed}`, { cause: error });
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, playOn));
  const closed = ended.flatMap(({ closedAfterMs }) => closedAfterMs ?? []).sort((a, b) => a - b);
  process.stdout.write(`${describe(ended)}\n${describeTimes(closed)}\n`);
  expect(closed[closed.length >> 1]).toBeLessThan(closedWithinMs);
  await waitUntil(() => server.server.counts.streams === 0 && server.server.counts.turns === 0);
});

/** How the turns of each phase ended. */
function describe(ended: readonly Ended[]): string {
  const lines = phases.map(({ name }) => {
    const own = ended.filter(({ phase }) => phase === name);
    const stopped = own.filter(({ status }) => status === 'stopped').length;
    return `${name} ${stopped}/${own.length}`;
  });
  const read = ended.filter(({ wasReadByHttp }) => wasReadByHttp).length;
  return `stopped: ${lines.join(', ')}; ${read} streams were read over HTTP as well`;
}

function describeTimes(ms: readonly number[]): string {
  const at = (share: number) => (ms[Math.min(ms.length - 1, Math.floor(ms.length * share))] ?? 0).toFixed(1);
  return `agent's connection closed after the stop's reply (${ms.length}): median ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}
