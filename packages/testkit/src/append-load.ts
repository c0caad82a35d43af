import { setTimeout as delay } from 'node:timers/promises';
import { AppendOracle, compareWithLog, type SeenMessage, type WantedMessage } from './append-oracle.ts';
import { type Acknowledgement, Follower, retryOnly } from './follower.ts';
import { seededRandom } from './seeded-random.ts';
import type { ServerUnderLoad } from './spawned-server.ts';
import { callApi } from './test-server.ts';

export interface AppendLoadOptions {
  /** Decides what the messages say. */
  readonly seed: number;
  readonly sessions?: number;
  /** Per session: sockets, each of another member. */
  readonly sockets?: number;
  /** Sends in flight on each socket. */
  readonly inFlightPerSocket?: number;
  /** Per session: REST calls in flight. */
  readonly inFlightPerRest?: number;
}

/** As a client waits before it tries again; a server that is up needs no more. */
export const retryDelayMs = 10;

/**
 * Writers over REST and over sockets, in several sessions, with several appends in flight each. Each message has a
 * client_id and is sent until it is acknowledged; a writer begins its next when the one before is acknowledged. Each
 * socket also follows its session, and comes back by its cursor after every interruption.
 */
export class AppendLoad implements AsyncDisposable {
  readonly oracle = new AppendOracle();
  /** The codes of all answers that were no acknowledgement. */
  readonly refusals = { rest: [] as string[], socket: [] as string[] };
  readonly #server: ServerUnderLoad;
  readonly #options: Required<AppendLoadOptions>;
  readonly #random: () => number;
  readonly #sessionIds: string[] = [];
  readonly #followers: Follower[] = [];

  /** Makes the people and the sessions; the server must stay up meanwhile. */
  static async open(server: ServerUnderLoad, options: AppendLoadOptions): Promise<AppendLoad> {
    const load = new AppendLoad(server, options);
    const url = await server.url();
    for (const id of [restWriter, ...load.#socketWriters]) await put(url, `/api/participants/${id}`);
    for (let index = 0; index < load.#options.sessions; index++) {
      const body = { kind: 'group', initiator_id: restWriter, member_ids: load.#socketWriters };
      const answer = await callApi(url, 'POST', '/api/sessions', { body });
      load.#sessionIds.push(answer.body.session.id);
    }
    return load;
  }

  private constructor(server: ServerUnderLoad, options: AppendLoadOptions) {
    this.#server = server;
    this.#options = { sessions: 3, sockets: 2, inFlightPerSocket: 4, inFlightPerRest: 3, ...options };
    this.#random = seededRandom(options.seed);
  }

  /** Writes until `isDone`, and until all that was begun is acknowledged. */
  async run(isDone: () => boolean): Promise<void> {
    const writers = this.#sessionIds.flatMap((sessionId) => [
      ...Array.from({ length: this.#options.inFlightPerRest }, () => this.#writeByRest(sessionId, isDone)),
      ...this.#socketWriters.flatMap((writer) => this.#writeBySocket(sessionId, writer, isDone)),
    ]);
    await Promise.all(writers);
  }

  /** What is wrong, by the log that REST shows and by what each follower has seen; nothing, it should be. */
  async violations(): Promise<string[]> {
    const violations = [];
    for (const sessionId of this.#sessionIds) {
      const log = await readLog(await this.#server.url(), sessionId);
      violations.push(...this.oracle.judge(sessionId, log));
      for (const follower of this.#followers.filter((one) => one.sessionId === sessionId)) {
        await follower.reach(log.length);
        violations.push(...compareWithLog(follower.participantId, follower.seen, log));
      }
    }
    return violations;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const follower of this.#followers) await follower[Symbol.asyncDispose]();
  }

  get #socketWriters(): string[] {
    return Array.from({ length: this.#options.sockets }, (_, index) => `user:socket-${index}`);
  }

  async #writeByRest(sessionId: string, isDone: () => boolean): Promise<void> {
    await this.#write(sessionId, restWriter, isDone, async (message) =>
      appendByRest(await this.#server.url(), message, this.refusals.rest),
    );
  }

  #writeBySocket(sessionId: string, writer: string, isDone: () => boolean): Promise<void>[] {
    const follower = new Follower(this.#server, sessionId, writer);
    this.#followers.push(follower);
    return Array.from({ length: this.#options.inFlightPerSocket }, () =>
      this.#write(sessionId, writer, isDone, (message) => follower.append(message, this.refusals.socket)),
    );
  }

  /** One message after the other: the next begins when the one before is acknowledged. */
  async #write(
    sessionId: string,
    senderId: string,
    isDone: () => boolean,
    attempt: (message: WantedMessage) => Promise<Acknowledgement | null>,
  ): Promise<void> {
    while (!isDone()) {
      const message = this.oracle.begin({ sessionId, senderId, ...this.#invent() });
      let answer: Acknowledgement | null = null;
      while (answer === null) {
        answer = await attempt(message);
        if (answer === null) await delay(retryDelayMs);
      }
      this.oracle.acknowledge(message, answer);
    }
  }

  /** Something of any size and alphabet; what is read back must be equal as JSON. */
  #invent(): Pick<WantedMessage, 'content' | 'metadata'> {
    const size = Math.floor(this.#random() ** 4 * 4_000);
    const content = {
      text: 'x'.repeat(size),
      'ключ "…" 🙂\n': [this.#random(), -0.5e-7, null, { deep: [true] }],
    };
    return { content, metadata: this.#random() < 0.5 ? {} : { n: Math.floor(this.#random() * 2 ** 53) } };
  }
}

const restWriter = 'user:rest';

/** The whole log of a session, page by page. */
export async function readLog(url: string, sessionId: string): Promise<SeenMessage[]> {
  const log: SeenMessage[] = [];
  for (;;) {
    const path = `/api/sessions/${sessionId}/messages?after_seq=${log.length}&limit=200`;
    const { status, body } = await callApi(url, 'GET', path);
    if (status !== 200) throw new Error(`history was answered with ${status}: ${JSON.stringify(body)}`);
    log.push(...body.messages);
    if (!body.has_more_after) return log;
  }
}

/** Sends a message once; adds to `refusals` the code of an answer that is no acknowledgement. */
export async function appendByRest(
  url: string,
  message: WantedMessage,
  refusals: string[],
): Promise<Acknowledgement | null> {
  const { sessionId, senderId, clientId, kind, content, metadata } = message;
  const body = { sender_id: senderId, client_id: clientId, kind, content, metadata };
  const path = `/api/sessions/${sessionId}/messages`;
  let answer: Awaited<ReturnType<typeof callApi>>;
  try {
    answer = await callApi(url, 'POST', path, { body });
  } catch (error) {
    // fetch: the server was not there, or went away before its reply was complete.
    return retryOnly(error instanceof TypeError, error);
  }
  if (answer.status === 200) return answer.body.message;
  refusals.push(answer.body.code);
  return retryOnly(answer.body.retryable, `append was answered with ${JSON.stringify(answer.body)}`);
}

/** Makes what is at a path. */
export async function put(url: string, path: string, wanted: object = {}): Promise<void> {
  const { status, body } = await callApi(url, 'PUT', path, { body: wanted });
  if (status !== 200) throw new Error(`PUT ${path} was answered with ${status}: ${JSON.stringify(body)}`);
}
