import { forgetful, requireCold } from './cold-joins.ts';
import { type FilledSample, fillConversations, sampleConversations } from './fill-conversations.ts';
import type { ClosedLoopResult } from './load/closed-loop.ts';
import type { Follower } from './load/join.ts';
import type { LoadProcess } from './load/load-process.ts';
import { initiatorsOf } from './members.ts';
import type { OwnServer } from './own-server.ts';
import { type BenchDatabase, query } from './postgres.ts';
import { serverDefaults } from './server-defaults.ts';
import type { OwnStage } from './stage.ts';

export interface GrownOrder {
  /** So many are stored when it starts. */
  readonly messages: number;
  /** Of these, so many in each session. */
  readonly messagesEach: number;
}

/** Asks the same again and again, for so many seconds. */
export type Ask = (seconds: number) => Promise<ClosedLoopResult>;

/**
 * Whose inboxes and sessions are asked for: as many at each size, so that only the amount that is stored differs. More
 * people where there are more would ask what is in use, which is about Postgres' memory.
 */
const maxPeople = 2;
const { pageLimit } = serverDefaults;
const maxSenders = 100;
const sendsInFlight = 5;

interface GrownParts {
  readonly stage: OwnStage;
  readonly order: GrownOrder;
  readonly database: BenchDatabase;
  readonly sample: FilledSample;
  readonly server: OwnServer;
  readonly reads: LoadProcess<'requests'>;
}

/**
 * A server on a database that was filled before, and what can be asked of it: one at a time, but for appends.
 */
export class GrownServer {
  readonly #parts: GrownParts;

  static async start(stage: OwnStage, order: GrownOrder): Promise<GrownServer> {
    const fill = { sessions: order.messages / order.messagesEach, messagesEach: order.messagesEach };
    const database = await stage.postgres.createDatabase(`growth_${order.messages}`);
    await fillConversations(database.target, fill);
    const sample = await sampleConversations(database.target, fill, maxPeople);
    const server = await stage.startServer(database, forgetful);
    const reads = await stage.openLoad('requests', { url: server.url });
    return new GrownServer({ stage, order, database, sample, server, reads });
  }

  private constructor(parts: GrownParts) {
    this.#parts = parts;
  }

  /** Messages at the start. */
  get messages(): number {
    return this.#parts.order.messages;
  }

  /** First pages of inboxes. */
  openInbox(): Ask {
    const { people } = this.#parts.sample;
    return this.#openReads(people.map((id) => `/api/participants/${id}/inbox?limit=${pageLimit}`));
  }

  /** Pages of sessions, after a quarter of their messages. */
  openHistory(): Ask {
    const { sample, order } = this.#parts;
    const page = `after_seq=${Math.floor(order.messagesEach / 4)}&limit=${pageLimit}`;
    return this.#openReads(sample.sessions.map(({ id }) => `/api/sessions/${id}/messages?${page}`));
  }

  /** Joins of sessions that nobody has open. */
  async openJoin(): Promise<Ask> {
    const { stage, order, sample, server } = this.#parts;
    const topics = new Map<string, string[]>(sample.people.map((id) => [id, []]));
    for (const { id, initiatorId } of sample.sessions) topics.get(initiatorId)!.push(`session:${id}`);
    const joiners: Follower[] = [];
    for (const [id, own] of topics) joiners.push({ url: await server.socketUrl(id), topics: own });
    const messages = Math.min(order.messagesEach, pageLimit);
    const load = await stage.openLoad('join', { joiners, inFlight: 1, messages });
    return (seconds) => requireCold(server, () => load.run({ seconds }));
  }

  /** Members of sessions from all over the table, who send. */
  async openAppend(): Promise<Ask> {
    const { stage, sample, server } = this.#parts;
    const { sessions } = sample;
    const count = Math.min(maxSenders, sessions.length);
    const spread = Array.from(
      { length: count },
      (_, n) => sessions[Math.floor((n * sessions.length) / count)]!,
    );
    const senders = await initiatorsOf(server, spread);
    const load = await stage.openLoad('append', { senders, inFlight: sendsInFlight });
    return (seconds) => load.run({ seconds });
  }

  /** Messages that are stored now. */
  async countMessages(): Promise<number> {
    const [row] = await query<{ count: string }>(
      this.#parts.database.target,
      'select sum(last_seq) as count from chat_sessions',
    );
    return Number(row!.count);
  }

  #openReads(paths: readonly string[]): Ask {
    const requests = paths.map((path) => ({ method: 'GET' as const, path }));
    return (seconds) => this.#parts.reads.run({ seconds, inFlight: 1, requests });
  }
}
