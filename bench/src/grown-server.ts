import { type FilledSample, fillConversations, sampleConversations } from './fill-conversations.ts';
import type { ClosedLoopResult } from './load/closed-loop.ts';
import { LoadProcess } from './load/load-process.ts';
import { type OwnServer, startOwnServer } from './own-server.ts';
import { type BenchDatabase, type BenchPostgres, query } from './postgres.ts';
import { sendersOf } from './senders.ts';

/** Whose inboxes and sessions are asked for, at most. */
const maxPeople = 20;
const pageLimit = 50;
const senders = 100;
const sendsInFlight = 5;

/**
 * No session stays in memory once it is left: in a small database there are too few to find one for each join that
 * nobody had open.
 */
const forgetful = { FLEETLM_SESSION_IDLE_MS: '1', FLEETLM_CACHE_BYTES: '1' };

/** A load that knows its server. */
export interface GrownLoad extends AsyncDisposable {
  run(seconds: number): Promise<ClosedLoopResult>;
}

export interface GrownOrder {
  /** So many are stored when it starts. */
  readonly messages: number;
  readonly messagesEach: number;
}

interface GrownParts {
  readonly database: BenchDatabase;
  readonly sample: FilledSample;
  readonly server: OwnServer;
  readonly reads: LoadProcess<'requests'>;
}

/** A server on a database that was filled before, and what can be asked of it. */
export class GrownServer implements AsyncDisposable {
  readonly messages: number;
  readonly #database: BenchDatabase;
  readonly #sample: FilledSample;
  readonly #server: OwnServer;
  readonly #reads: LoadProcess<'requests'>;

  static async start(postgres: BenchPostgres, { messages, messagesEach }: GrownOrder): Promise<GrownServer> {
    const order = { sessions: messages / messagesEach, messagesEach };
    const database = await postgres.createDatabase(`bench_growth_${messages}`);
    await fillConversations(database.target, order);
    const sample = await sampleConversations(database.target, order, maxPeople);
    await using resources = new AsyncDisposableStack();
    const server = resources.use(await startOwnServer(database, forgetful));
    const reads = await LoadProcess.open('requests', { url: server.url });
    resources.move();
    return new GrownServer(messages, { database, sample, server, reads });
  }

  private constructor(messages: number, { database, sample, server, reads }: GrownParts) {
    this.messages = messages;
    this.#database = database;
    this.#sample = sample;
    this.#server = server;
    this.#reads = reads;
  }

  /** First pages of inboxes, one at a time. */
  openInbox(): GrownLoad {
    return this.#openReads(
      this.#sample.people.map((id) => `/api/participants/${id}/inbox?limit=${pageLimit}`),
    );
  }

  /** Pages of sessions after `afterSeq`, one at a time. */
  openHistory(afterSeq: number): GrownLoad {
    const query = `after_seq=${afterSeq}&limit=${pageLimit}`;
    return this.#openReads(this.#sample.sessions.map(({ id }) => `/api/sessions/${id}/messages?${query}`));
  }

  /** Joins of sessions that nobody has open, one at a time; those that were found open count as failures. */
  async openJoin(): Promise<GrownLoad> {
    const members = await sendersOf(this.#server, this.#sample.sessions);
    const load = await LoadProcess.open('cold join', { members });
    return toGrownLoad(load, async (seconds) => {
      const before = await this.#countLoadedTails();
      const result = await load.run({ seconds });
      const warm = result.count - ((await this.#countLoadedTails()) - before);
      return warm === 0 ? result : { ...result, failures: { ...result.failures, 'not cold': warm } };
    });
  }

  /** Members of sessions from all over the table, who send. */
  async openAppend(): Promise<GrownLoad> {
    const { sessions } = this.#sample;
    const count = Math.min(senders, sessions.length);
    const spread = Array.from(
      { length: count },
      (_, n) => sessions[Math.floor((n * sessions.length) / count)]!,
    );
    const order = { senders: await sendersOf(this.#server, spread), inFlight: sendsInFlight };
    const load = await LoadProcess.open('append', order);
    return toGrownLoad(load, (seconds) => load.run({ seconds }));
  }

  /** Messages that are stored now. */
  async countMessages(): Promise<number> {
    const [row] = await query<{ count: string }>(
      this.#database.target,
      'select sum(last_seq) as count from chat_sessions',
    );
    return Number(row!.count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reads[Symbol.asyncDispose]();
    await this.#server[Symbol.asyncDispose]();
  }

  /** All reads are one process's, which ends with the server. */
  #openReads(paths: readonly string[]): GrownLoad {
    const requests = paths.map((path) => ({ method: 'GET' as const, path }));
    return {
      run: (seconds) => this.#reads.run({ seconds, inFlight: 1, requests }),
      async [Symbol.asyncDispose]() {},
    };
  }

  /** How often the messages of a session were read before somebody could join it. */
  #countLoadedTails(): Promise<number> {
    return this.#server.metric('fleetlm_cache_misses_total{cache="session_kept"}');
  }
}

function toGrownLoad(load: AsyncDisposable, run: GrownLoad['run']): GrownLoad {
  return { run, [Symbol.asyncDispose]: () => load[Symbol.asyncDispose]() };
}
