import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ApiOptions,
  addGroup,
  addParticipants,
  ChannelClient,
  ConnectionLost,
  callApi,
  RawSocket,
  seededRandom,
  signToken,
} from '@fleetlm/testkit';

// The clients of `soak.ts`, in a process of their own.

export interface SoakOrder {
  readonly url: string;
  readonly ms: number;
}

/** How often each thing was done, and what was not as it should be. */
export interface SoakResult {
  readonly done: Record<string, number>;
  readonly surprises: Record<string, number>;
}

const people = Array.from({ length: 60 }, (_, n) => `user:soak-${n}`);
const groupSize = 5;
const groups = 40;
const pauseMs = 40;

process.once('message', async ({ url, ms }: SoakOrder) => {
  const serviceToken = await signToken({ sub: 'service:soak', role: 'service' });
  const api = (method: string, path: string, options?: ApiOptions) =>
    callApi(url, method, path, { token: serviceToken, ...options });
  await addParticipants({ api }, ...people);
  const sessions = await Promise.all(
    Array.from({ length: groups }, (_, n) =>
      addGroup(
        { api },
        ...Array.from({ length: groupSize }, (_, k) => people[(n * 3 + k * 7) % people.length]!),
      ),
    ),
  );
  const soak = new Soak(url, sessions, performance.now() + ms);
  await Promise.all(people.map((person, index) => soak.live(person, index)));
  process.send!({ done: soak.done, surprises: soak.surprises } satisfies SoakResult);
});

/** One thing that a client may do with its connection. */
type Act = (client: ChannelClient, person: string, random: () => number) => Promise<unknown>;

class Soak {
  readonly done: Record<string, number> = {};
  readonly surprises: Record<string, number> = {};
  readonly #url: string;
  readonly #sessions: readonly string[];
  readonly #untilMs: number;
  readonly #acts: readonly (readonly [weight: number, name: string, act: Act])[];

  constructor(url: string, sessions: readonly string[], untilMs: number) {
    this.#url = url;
    this.#sessions = sessions;
    this.#untilMs = untilMs;
    this.#acts = [
      [10, 'join', (client, _person, random) => client.join(this.#topic(random), { last_seq: 0, limit: 5 })],
      [30, 'send', (client, _person, random) => this.#send(client, random)],
      [10, 'read', (client, _person, random) => client.push(this.#topic(random), 'read', {})],
      [5, 'history', (client, _person, random) => client.push(this.#topic(random), 'history', { limit: 20 })],
      [8, 'leave', (client, _person, random) => client.push(this.#topic(random), 'phx_leave', {})],
      [4, 'inbox', (client, person) => client.join(`inbox:${person}`)],
      [
        4,
        'nonsense',
        (client, _person, random) => client.push(this.#topic(random), 'nonsense', { n: random() }),
      ],
      [4, 'list', (_client, person) => this.#get(person, '/api/sessions?limit=20')],
      [3, 'inbox page', (_client, person) => this.#get(person, `/api/participants/${person}/inbox`)],
      [2, 'malformed', (_client, person) => this.#sendMalformed(person)],
      [1, 'bad token', () => this.#connectBadly()],
      [1, 'stalled', (_client, person, random) => this.#stall(person, random)],
    ];
  }

  /** One person: connects, does this and that, breaks off, connects again, until the time is up. */
  async live(person: string, seed: number): Promise<void> {
    const random = seededRandom(seed + 1);
    while (performance.now() < this.#untilMs) {
      const acts = 5 + Math.floor(random() * 200);
      try {
        await using client = await ChannelClient.open(await this.#socketUrl(person));
        for (let n = 0; n < acts && performance.now() < this.#untilMs; n += 1) {
          await this.#actOnce(client, person, random);
          await sleep(pauseMs * 2 * random());
        }
      } catch (error) {
        if (!(error instanceof ConnectionLost)) this.#count(this.surprises, String(error));
      }
      this.#count(this.done, 'connection');
    }
  }

  async #actOnce(client: ChannelClient, person: string, random: () => number): Promise<void> {
    const total = this.#acts.reduce((sum, [weight]) => sum + weight, 0);
    let left = random() * total;
    const [, name, act] = this.#acts.find(([weight]) => {
      left -= weight;
      return left < 0;
    })!;
    await act(client, person, random);
    this.#count(this.done, name);
  }

  /** Some of them are not theirs: they are refused as people who are no members are. */
  #topic(random: () => number): string {
    return `session:${this.#sessions[Math.floor(random() * this.#sessions.length)]}`;
  }

  async #send(client: ChannelClient, random: () => number): Promise<void> {
    const content = { content: { text: 'x'.repeat(Math.floor(random() ** 4 * 8_000)) } };
    const { status, response } = await client.push(this.#topic(random), 'send', { content });
    const isExpected =
      status === 'ok' || ['unmatched topic', 'rate_limited', 'overloaded'].includes(response.reason);
    if (!isExpected) this.#count(this.surprises, `send: ${response.reason}`);
  }

  async #get(person: string, path: string): Promise<void> {
    const { status } = await callApi(this.#url, 'GET', path, { token: await signToken({ sub: person }) });
    if (![200, 429, 503].includes(status)) this.#count(this.surprises, `${path}: ${status}`);
  }

  async #sendMalformed(person: string): Promise<void> {
    await using socket = await RawSocket.open(await this.#socketUrl(person));
    socket.send('[');
    const { code } = await socket.closed;
    if (code !== 1007) this.#count(this.surprises, `malformed: ${code}`);
  }

  async #connectBadly(): Promise<void> {
    const refused = await RawSocket.open(`${this.#socketAddress()}?token=bad`).catch(
      (error: unknown) => error,
    );
    if (!(refused instanceof Error)) this.#count(this.surprises, 'a bad token came in');
  }

  /** Joins, stops reading, and goes away without a word. */
  async #stall(person: string, random: () => number): Promise<void> {
    await using socket = await RawSocket.open(await this.#socketUrl(person));
    socket.send(['1', '1', this.#topic(random), 'phx_join', { last_seq: 0, limit: 200 }]);
    socket.pause();
    await sleep(500);
  }

  async #socketUrl(person: string): Promise<string> {
    return `${this.#socketAddress()}?token=${await signToken({ sub: person })}`;
  }

  #socketAddress(): string {
    return `${this.#url.replace('http', 'ws')}/socket/websocket`;
  }

  #count(counts: Record<string, number>, what: string): void {
    counts[what] = (counts[what] ?? 0) + 1;
  }
}
