import { setTimeout as delay } from 'node:timers/promises';
import { AppendOracle, compareWithLog, type SeenMessage, type WantedMessage } from './append-oracle.ts';
import { ChannelClient, ConnectionLost } from './channel-client.ts';
import { seededRandom } from './seeded-random.ts';
import { type ServerUnderLoad, socketUrlOf } from './spawned-server.ts';
import { callApi } from './test-server.ts';
import { waitUntil } from './wait-until.ts';

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

/** What one attempt came to: an acknowledgement, or null when it must be repeated. */
type Answer = { readonly id: string; readonly seq: number } | null;

/** As a client waits before it tries again; a server that is up needs no more. */
const retryDelayMs = 10;
/** After the last acknowledgement: how long followers may need to see it, restarts included. */
const catchUpMs = 15_000;

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
    attempt: (message: WantedMessage) => Promise<Answer>,
  ): Promise<void> {
    while (!isDone()) {
      const message = this.oracle.begin({ sessionId, senderId, ...this.#invent() });
      let answer: Answer = null;
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

/** A member's socket in one session: it sends, and sees everything, over as many connections as that takes. */
class Follower implements AsyncDisposable {
  readonly sessionId: string;
  readonly participantId: string;
  /** In the order in which it was shown. */
  readonly seen: SeenMessage[] = [];
  readonly #server: ServerUnderLoad;
  readonly #topic: string;
  #joining: Promise<ChannelClient> | null = null;

  constructor(server: ServerUnderLoad, sessionId: string, participantId: string) {
    this.#server = server;
    this.sessionId = sessionId;
    this.participantId = participantId;
    this.#topic = `session:${sessionId}`;
  }

  /** Adds to `refusals` the code of an answer that is no acknowledgement. */
  async append(message: WantedMessage, refusals: string[]): Promise<Answer> {
    const { clientId, kind, content, metadata } = message;
    const payload = { content: { kind, content, metadata }, client_id: clientId };
    try {
      const client = await this.#joined();
      const { status, response } = await client.push(this.#topic, 'send', payload);
      if (status === 'ok') return response.message;
      refusals.push(response.code);
      return retryOnly(response.retryable, `send was answered with ${JSON.stringify(response)}`);
    } catch (error) {
      return retryOnly(isLoss(error), error);
    }
  }

  /** Waits until it has seen `count` messages. */
  async reach(count: number): Promise<void> {
    const isThere = async () => {
      await this.#joined().catch((error) => retryOnly(isLoss(error), error));
      return this.seen.length >= count;
    };
    const what = `message ${count} of ${this.#topic} at ${this.participantId}`;
    await waitUntil(isThere, { what, timeoutMs: catchUpMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = await this.#joining?.catch(() => null);
    await client?.[Symbol.asyncDispose]();
  }

  /** The connection, made again when it is lost; all sends share the attempt. */
  #joined(): Promise<ChannelClient> {
    this.#joining ??= this.#join();
    return this.#joining;
  }

  async #join(): Promise<ChannelClient> {
    try {
      const client = await this.#connect();
      void client.closed.then(() => {
        this.#joining = null;
      });
      return client;
    } catch (error) {
      this.#joining = null;
      throw error;
    }
  }

  async #connect(): Promise<ChannelClient> {
    const endpoint = socketUrlOf(await this.#server.url(), this.participantId);
    // Pushes follow the reply at once, and must not be counted before the reply's messages.
    const early: SeenMessage[] = [];
    let isIn = false;
    const client = await ChannelClient.open(endpoint, (_topic, event, payload) => {
      if (event === 'message') (isIn ? this.seen : early).push(payload);
    });
    const { status, response } = await client.join(this.#topic, { last_seq: this.seen.length });
    if (status !== 'ok') {
      await client[Symbol.asyncDispose]();
      throw response.retryable
        ? new ConnectionLost(0)
        : new Error(`join refused: ${JSON.stringify(response)}`);
    }
    this.seen.push(...response.messages, ...early);
    isIn = true;
    return client;
  }
}

async function appendByRest(url: string, message: WantedMessage, refusals: string[]): Promise<Answer> {
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

async function put(url: string, path: string): Promise<void> {
  const { status, body } = await callApi(url, 'PUT', path, { body: {} });
  if (status !== 200) throw new Error(`PUT ${path} was answered with ${status}: ${JSON.stringify(body)}`);
}

/** A server that goes away ends sockets and handshakes with these, and nothing else. */
function isLoss(error: unknown): boolean {
  if (error instanceof ConnectionLost) return true;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const isRefusal =
    error instanceof Error && /Unexpected server response: 503|socket hang up/.test(error.message);
  return isRefusal || ['ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(code);
}

function retryOnly(isRetryable: unknown, error: unknown): null {
  if (isRetryable === true) return null;
  throw error instanceof Error ? error : new Error(String(error));
}
