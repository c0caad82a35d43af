import type { InboxConversation } from '@fleetlm/protocol';
import {
  type ApiAnswer,
  addGroup,
  addParticipants,
  ChannelClient,
  type ChannelReply,
  InboxClient,
  startTestServer,
  type TestDatabase,
  type TestServer,
} from '@fleetlm/testkit';
import type { ToldCount } from './recount.ts';

interface WorldSession {
  readonly id: string;
  readonly initiator: string;
  readonly isGroup: boolean;
}

/** A joined topic of a device. */
interface WorldJoin {
  readonly answer: Promise<ChannelReply>;
  readonly closed: PromiseWithResolvers<null>;
}

/** Sessions that operations may start, beyond those of the beginning. */
const maxSessions = 24;
const people = ['ann', 'ben', 'cat', 'dan', 'eve', 'fay'].map((name) => `user:${name}`);

/**
 * Six people in groups and direct sessions, each with two devices and up to two open inboxes, and a server that may
 * be replaced at any time. It does random operations, and remembers what people were told.
 */
export class InboxWorld implements AsyncDisposable {
  readonly people = people;
  readonly random: () => number;
  /** Counts that people were told since the last `takeTold`. */
  #told: ToldCount[] = [];
  readonly #database: TestDatabase;
  readonly #sessions: WorldSession[] = [];
  readonly #messageIds = new Map<string, string[]>();
  readonly #devices = new Map<string, Promise<ChannelClient>>();
  readonly #joins = new Map<string, WorldJoin>();
  readonly #inboxes = new Map<string, InboxClient[]>(people.map((one) => [one, []]));
  #server: TestServer;
  #isRestarting = false;

  static async open(database: TestDatabase, random: () => number): Promise<InboxWorld> {
    const world = new InboxWorld(database, random, await startTestServer({ database, env: serverEnv }));
    await addParticipants(world.#server, ...people);
    for (let n = 0; n < 5; n += 1) await world.#startGroup();
    for (let n = 0; n < 3; n += 1) await world.#startDirect();
    return world;
  }

  private constructor(database: TestDatabase, random: () => number, server: TestServer) {
    this.#database = database;
    this.random = random;
    this.#server = server;
  }

  get sessions(): readonly WorldSession[] {
    return this.#sessions;
  }

  /** Inboxes that are being followed, and by whom. */
  get following(): { participant: string; inbox: InboxClient }[] {
    return [...this.#inboxes].flatMap(([participant, inboxes]) =>
      inboxes.map((inbox) => ({ participant, inbox })),
    );
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.random() * items.length)]!;
  }

  integer(below: number): number {
    return Math.floor(this.random() * below);
  }

  api(...[method, path, options]: Parameters<TestServer['api']>): Promise<ApiAnswer> {
    return this.#server.api(method, path, options);
  }

  async inboxPage(participant: string): Promise<InboxConversation[]> {
    const { body } = await this.api('GET', `/api/participants/${participant}/inbox?limit=200`, {
      as: participant,
    });
    return body.conversations.sort((one: InboxConversation, other: InboxConversation) =>
      one.session_id < other.session_id ? -1 : 1,
    );
  }

  /** Does any one thing. What is not allowed is refused; a fault throws. */
  async operate(): Promise<void> {
    const at = this.random();
    const operation = operations.find(([share]) => at < share)![1];
    try {
      await operation(this);
    } catch (error) {
      if (!this.#isRestarting || !isLostConnection(error)) throw error;
    }
  }

  /** The server goes, in the middle of what runs, and another one comes. */
  async restart(underWay: Promise<unknown>): Promise<void> {
    this.#isRestarting = true;
    await Promise.all([this.#server[Symbol.asyncDispose](), underWay]);
    this.#devices.clear();
    this.#joins.clear();
    const followed = this.following.map(({ participant }) => participant);
    await Promise.all(this.following.map(({ inbox }) => inbox[Symbol.asyncDispose]()));
    for (const inboxes of this.#inboxes.values()) inboxes.length = 0;
    this.#server = await startTestServer({ database: this.#database, env: serverEnv });
    this.#isRestarting = false;
    for (const participant of followed) await this.#follow(participant);
  }

  /** What people were told since the last call. */
  takeTold(): ToldCount[] {
    const told = this.#told;
    this.#told = [];
    for (const { participant, inbox } of this.following) {
      for (const { conversations } of inbox.updates.splice(0)) {
        for (const { session_id: session, last_seq: lastSeq, unread_count: unread } of conversations) {
          told.push({ participant, session, lastSeq, cursor: null, unread });
        }
      }
    }
    return told;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const clients = [
      ...(await Promise.all(this.#devices.values())),
      ...this.following.map(({ inbox }) => inbox),
    ];
    for (const client of clients) await client[Symbol.asyncDispose]();
    await this.#server[Symbol.asyncDispose]();
  }

  /** A message by REST, by the sender or by the service for it. */
  async sendByRest(): Promise<void> {
    const session = this.pick(this.#sessions);
    const sender = this.pick(people);
    const byService = this.random() < 0.3;
    const body = { sender_id: sender, content: { text: `${this.integer(1e6)} by REST` } };
    const answer = await this.api(
      'POST',
      `/api/sessions/${session.id}/messages`,
      byService ? { body } : { as: sender, body },
    );
    if (expectStatus(answer, 200, 404, 409, 422) === 200) this.#remember(session.id, answer.body.message);
  }

  async sendBySystem(): Promise<void> {
    const session = this.pick(this.#sessions);
    const body = { kind: 'system', content: { text: 'somebody did something' } };
    const answer = await this.api('POST', `/api/sessions/${session.id}/messages`, { body });
    if (expectStatus(answer, 200, 409) === 200) this.#remember(session.id, answer.body.message);
  }

  async sendByChannel(): Promise<void> {
    const session = this.pick(this.#sessions);
    const payload = { content: { content: { text: `${this.integer(1e6)} by channel` } } };
    const sent = await this.#push(this.pick(people), session.id, 'send', payload);
    if (sent?.status === 'ok') this.#remember(session.id, sent.response.message);
  }

  async readByRest(): Promise<void> {
    const session = this.pick(this.#sessions);
    const reader = this.pick(people);
    const body = { participant_id: reader, ...this.#position(session.id) };
    const caller = this.random() < 0.3 ? {} : { as: reader };
    const answer = await this.api('POST', `/api/sessions/${session.id}/read`, { ...caller, body });
    expectStatus(answer, 200, 404, 422);
  }

  async readByChannel(): Promise<void> {
    const session = this.pick(this.#sessions);
    const participant = this.pick(people);
    const read = await this.#push(participant, session.id, 'read', this.#position(session.id));
    if (read?.status !== 'ok') return;
    const { last_read_seq: cursor, unread_count: unread } = read.response;
    this.#told.push({ participant, session: session.id, lastSeq: null, cursor, unread });
  }

  /** What a read that moves nothing is answered with; null when the reader is no member. */
  async readNothing(participant: string, sessionId: string): Promise<object | null> {
    const read = await this.#push(participant, sessionId, 'read', { seq: 0 });
    return read?.status === 'ok' ? read.response : null;
  }

  async addMember(): Promise<void> {
    const { id, initiator } = this.#pickGroup();
    const caller = this.pick([{ as: initiator }, {}]);
    const path = `/api/sessions/${id}/members/${this.pick(people)}`;
    expectStatus(await this.api('PUT', path, { ...caller, body: {} }), 200, 404);
  }

  async removeMember(): Promise<void> {
    const { id, initiator } = this.#pickGroup();
    const member = this.pick(people);
    const caller = this.pick([{ as: initiator }, { as: member }, {}]);
    expectStatus(await this.api('DELETE', `/api/sessions/${id}/members/${member}`, caller), 200, 404);
  }

  async changeSession(): Promise<void> {
    const { id } = this.pick(this.#sessions);
    const status = this.pick(['open', 'open', 'open', 'closed', 'archived']);
    const metadata = this.random() < 0.5 ? {} : { metadata: { topic: this.integer(100) } };
    expectStatus(await this.api('PATCH', `/api/sessions/${id}`, { body: { status, ...metadata } }), 200);
  }

  async startSession(): Promise<void> {
    if (this.#sessions.length < maxSessions)
      await (this.random() < 0.5 ? this.#startGroup() : this.#startDirect());
  }

  /** Opens an inbox, or closes one of two. */
  async toggleInbox(): Promise<void> {
    const participant = this.pick(people);
    const inboxes = this.#inboxes.get(participant)!;
    if (inboxes.length < 1 + this.integer(2)) await this.#follow(participant);
    else await inboxes.splice(0, 1)[0]?.[Symbol.asyncDispose]();
  }

  async #follow(participant: string): Promise<void> {
    const inbox = await InboxClient.follow(this.#server.socketUrl(participant), participant);
    this.#inboxes.get(participant)!.push(inbox);
  }

  #pickGroup(): WorldSession {
    return this.pick(this.#sessions.filter((session) => session.isGroup));
  }

  async #startGroup(): Promise<void> {
    const initiator = this.pick(people);
    const members = people.filter((one) => one !== initiator && this.random() < 0.6);
    const id = await addGroup(this.#server, initiator, ...members);
    this.#sessions.push({ id, initiator, isGroup: true });
  }

  async #startDirect(): Promise<void> {
    const initiator = this.pick(people);
    const peer_id = this.pick(people.filter((one) => one !== initiator));
    const answer = await this.api('POST', '/api/sessions', { body: { initiator_id: initiator, peer_id } });
    if (expectStatus(answer, 201))
      this.#sessions.push({ id: answer.body.session.id, initiator, isGroup: false });
  }

  /** Where a reader says that it is: somewhere, beyond the end, at a message, or at the end. */
  #position(sessionId: string): object {
    const ids = this.#messageIds.get(sessionId) ?? [];
    const near = Math.max(ids.length + 2 - this.integer(8), 0);
    return this.pick([{}, { seq: near }, { seq: this.integer(ids.length + 1) }, messagePosition(ids[near])]);
  }

  /**
   * Pushes on one of the participant's devices, after a join if need be. Null: it may not join, or was closed out
   * before the answer, as a removed member is.
   */
  async #push(
    participant: string,
    sessionId: string,
    event: string,
    payload: object,
  ): Promise<ChannelReply | null> {
    const topic = `session:${sessionId}`;
    const key = `${participant} ${this.integer(2)}`;
    const device = await this.#device(key, participant);
    const joinKey = `${key} ${topic}`;
    const join = this.#joins.get(joinKey) ?? {
      answer: device.join(topic, { limit: 1 }),
      closed: Promise.withResolvers<null>(),
    };
    this.#joins.set(joinKey, join);
    if ((await join.answer).status === 'error') {
      this.#joins.delete(joinKey);
      return null;
    }
    return Promise.race([device.push(topic, event, payload), join.closed.promise]);
  }

  #device(key: string, participant: string): Promise<ChannelClient> {
    const known = this.#devices.get(key);
    if (known) return known;
    const opened = ChannelClient.open(this.#server.socketUrl(participant), (topic, event) => {
      if (event !== 'phx_close') return;
      this.#joins.get(`${key} ${topic}`)?.closed.resolve(null);
      this.#joins.delete(`${key} ${topic}`);
    });
    this.#devices.set(key, opened);
    return opened;
  }

  #remember(sessionId: string, { id, seq }: { readonly id: string; readonly seq: number }): void {
    const ids = this.#messageIds.get(sessionId) ?? [];
    ids[seq] = id;
    this.#messageIds.set(sessionId, ids);
  }
}

/** Actors that nobody needs go away soon, so that some come back in each run. */
const serverEnv = { FLEETLM_SESSION_IDLE_MS: '200', FLEETLM_SHUTDOWN_MS: '5000' };

/** Each with its share of all, added up. */
const operations: readonly (readonly [number, (world: InboxWorld) => Promise<void>])[] = [
  [0.22, (world) => world.sendByRest()],
  [0.26, (world) => world.sendBySystem()],
  [0.5, (world) => world.sendByChannel()],
  [0.62, (world) => world.readByRest()],
  [0.78, (world) => world.readByChannel()],
  [0.85, (world) => world.addMember()],
  [0.9, (world) => world.removeMember()],
  [0.96, (world) => world.changeSession()],
  [0.97, (world) => world.startSession()],
  [1, (world) => world.toggleInbox()],
];

function messagePosition(id: string | undefined): object {
  return id === undefined ? {} : { message_id: id };
}

function expectStatus({ status, body }: ApiAnswer, ...expected: readonly number[]): number {
  if (!expected.includes(status)) throw new UnexpectedStatus(status, JSON.stringify(body));
  return status;
}

class UnexpectedStatus extends Error {
  readonly status: number;

  constructor(status: number, body: string) {
    super(`answered with ${status}: ${body}`);
    this.name = 'UnexpectedStatus';
    this.status = status;
  }
}

/** The server is going: no answer, or 503. What was under way may or may not have happened. */
function isLostConnection(error: unknown): boolean {
  return !(error instanceof UnexpectedStatus) || error.status === 503;
}
