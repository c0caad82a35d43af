import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { appendByRest, put, readLog, retryDelayMs } from './append-load.ts';
import { AppendOracle, compareWithLog, type WantedMessage } from './append-oracle.ts';
import { agentManners, type FickleAgents } from './fickle-agents.ts';
import { Follower } from './follower.ts';
import { seededRandom } from './seeded-random.ts';
import type { ServerUnderLoad } from './spawned-server.ts';
import type { TestDatabase } from './test-database.ts';
import { callApi } from './test-server.ts';
import {
  findUnknownStreams,
  judgeTimeline,
  judgeTurns,
  type SeenTurn,
  type WakingMessage,
} from './turn-oracle.ts';
import { waitUntil } from './wait-until.ts';

export interface TurnLoadOptions {
  readonly seed: number;
  readonly agents: FickleAgents;
  readonly database: TestDatabase;
  /** Direct sessions with each agent. */
  readonly sessionsPerAgent?: number;
}

interface TalkSession {
  readonly id: string;
  readonly userId: string;
  /** Whom a message may wake: the peer, or those whom it mentions. */
  readonly agentIds: readonly string[];
  readonly isGroup: boolean;
  readonly wanted: WantedMessage[];
  readonly follower: Follower;
}

/** How long people think between two messages, at most. */
const thinkMs = 200;
/** A node's leases run out after 10 s; whoever takes over sweeps once a second. */
const restMs = 60_000;
const groups = 3;

/**
 * People who talk to agents, each in a session of their own and some in groups, one message after the other, each sent
 * until it is acknowledged. Each follows its session, and comes back by its cursor after every interruption.
 */
export class TurnLoad implements AsyncDisposable {
  readonly oracle = new AppendOracle();
  readonly #server: ServerUnderLoad;
  readonly #options: TurnLoadOptions;
  readonly #random: () => number;
  readonly #sessions: TalkSession[] = [];
  readonly #redelivered = new Set<string>();
  readonly #following: Promise<void>[] = [];
  #isOver = false;

  /** Makes the agents, the people and the sessions; the server must stay up meanwhile. */
  static async open(server: ServerUnderLoad, options: TurnLoadOptions): Promise<TurnLoad> {
    const load = new TurnLoad(server, options);
    const url = await server.url();
    for (const manner of agentManners) await putAgent(url, `agent:${manner}`, options.agents.url);
    for (const manner of agentManners) {
      const count = options.sessionsPerAgent ?? 3;
      for (let index = 0; index < count; index++) await load.#startSession([`agent:${manner}`]);
    }
    for (let index = 0; index < groups; index++) await load.#startSession(['agent:stream', 'agent:json']);
    return load;
  }

  private constructor(server: ServerUnderLoad, options: TurnLoadOptions) {
    this.#server = server;
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  /** Talks until `isDone`, and until all that was begun is acknowledged. */
  async run(isDone: () => boolean): Promise<void> {
    await Promise.all(this.#sessions.map((session) => this.#talk(session, isDone)));
  }

  /** Waits until no turn is pending or running. */
  async rest(): Promise<void> {
    const statement = `select count(*)::int as count from agent_turns where status in ('pending', 'running')`;
    const isAtRest = async () => {
      const [row] = await this.#query<{ count: number }>(statement);
      return row!.count === 0;
    };
    await waitUntil(isAtRest, { what: 'all turns are at rest', timeoutMs: restMs });
  }

  /** Redelivers what has failed, one turn of each agent in each session after the other; returns how many. */
  async redeliver(): Promise<number> {
    const turns = (await this.#turns()).filter(({ status }) => status !== 'completed');
    const waiting = [...Map.groupBy(turns, (turn) => `${turn.session_id} ${turn.agent_id}`).values()];
    while (waiting.some((each) => each.length > 0)) {
      await Promise.all(waiting.map((each) => this.#redeliver(each.shift())));
      await this.rest();
    }
    return this.#redelivered.size;
  }

  /** What is wrong, by what Postgres has and by what each follower has seen; nothing, it should be. */
  async violations(): Promise<string[]> {
    const all = await this.#turns();
    const violations: string[] = [];
    for (const session of this.#sessions) {
      const log = await readLog(await this.#server.url(), session.id);
      const { follower } = session;
      const turns = all.filter((turn) => turn.session_id === session.id);
      await follower.reach(log.length);
      const found = [
        ...judgeTurns({
          wanted: session.wanted.map((message) => toWaking(message)),
          log,
          turns,
          redelivered: this.#redelivered,
          said: this.#options.agents.said,
        }),
        ...compareWithLog(follower.participantId, follower.seen, log),
        ...judgeTimeline(follower.participantId, follower.timeline),
        ...findUnknownStreams(follower.participantId, follower.timeline, turns),
      ];
      violations.push(...found.map((violation) => `${session.id}: ${violation}`));
    }
    const failed = all.filter(({ id, status }) => this.#redelivered.has(id) && status !== 'completed');
    return [...violations, ...failed.map(({ id }) => `turn ${id} was redelivered, and not answered`)];
  }

  /** How many turns there are of each status. */
  async statuses(): Promise<Readonly<Record<string, number>>> {
    const counts = Object.entries(Object.groupBy(await this.#turns(), (turn) => turn.status));
    return Object.fromEntries(counts.map(([status, turns]) => [status, turns?.length ?? 0]));
  }

  /** How many stretches of streams are stored: none, once the streams are over. */
  async segments(): Promise<number> {
    const statement = 'select count(*)::int as count from agent_stream_segments';
    const [row] = await this.#query<{ count: number }>(statement);
    return row!.count;
  }

  /** Lets all leases run out at once, as ten seconds do. A node that lives does not mind: it claims nothing it runs. */
  async expireLeases(): Promise<void> {
    await this.#query('update agent_turns set lease_until = now() where lease_until is not null');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    for (const { follower } of this.#sessions) await follower[Symbol.asyncDispose]();
    await Promise.all(this.#following);
  }

  async #startSession(agentIds: readonly string[]): Promise<void> {
    const url = await this.#server.url();
    const userId = `user:u${this.#sessions.length}`;
    const isGroup = agentIds.length > 1;
    await put(url, `/api/participants/${userId}`);
    const peers = isGroup ? { kind: 'group', member_ids: agentIds } : { peer_id: agentIds[0] };
    const { body } = await callApi(url, 'POST', '/api/sessions', {
      body: { initiator_id: userId, ...peers },
    });
    const { id } = body.session;
    const follower = new Follower(this.#server, id, userId);
    this.#following.push(follower.stay(() => this.#isOver));
    this.#sessions.push({ id, userId, agentIds, isGroup, wanted: [], follower });
  }

  async #talk(session: TalkSession, isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      const message = this.oracle.begin({
        sessionId: session.id,
        senderId: session.userId,
        content: { text: 'Well?' },
        metadata: this.#mention(session),
      });
      session.wanted.push(message);
      for (;;) {
        const answer = await appendByRest(await this.#server.url(), message, []);
        if (answer !== null) {
          this.oracle.acknowledge(message, answer);
          break;
        }
        await delay(retryDelayMs);
      }
      await delay(this.#random() * thinkMs);
    }
  }

  #mention({ isGroup, agentIds }: TalkSession): { readonly mentions?: readonly string[] } {
    return isGroup ? { mentions: agentIds.filter(() => this.#random() < 0.5) } : { mentions: agentIds };
  }

  async #redeliver(turn: SeenTurn | undefined): Promise<void> {
    if (turn === undefined) return;
    const path = `/api/agents/${turn.agent_id}/turns/${turn.id}/redeliver`;
    const { status, body } = await callApi(await this.#server.url(), 'POST', path);
    if (status >= 300) throw new Error(`redeliver was answered with ${status}: ${JSON.stringify(body)}`);
    this.#redelivered.add(body.turn.id);
  }

  #turns(): Promise<SeenTurn[]> {
    return this.#query<SeenTurn>(
      `select id, agent_id, session_id, from_seq::int, to_seq::int, status, stream_id, message_id, reply_seq::int
       from agent_turns order by id`,
    );
  }

  async #query<T extends object>(text: string): Promise<T[]> {
    const client = new Client(this.#options.database.target);
    await client.connect();
    try {
      return (await client.query<T>(text)).rows;
    } finally {
      await client.end();
    }
  }
}

/** Retries come soon, so that some turns die of them. */
async function putAgent(url: string, id: string, originUrl: string): Promise<void> {
  await put(url, `/api/participants/${id}`, { kind: 'agent' });
  const policy = { max_attempts: 3, backoff_ms: [20] };
  await put(url, `/api/agents/${id}/endpoint`, { origin_url: originUrl, retry_policy: policy });
}

function toWaking({ clientId, acknowledged, metadata }: WantedMessage): WakingMessage {
  const { mentions = [] } = metadata as { readonly mentions?: readonly string[] };
  return { clientId, seq: acknowledged?.seq ?? 0, agentIds: mentions };
}
