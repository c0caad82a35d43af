import { setTimeout as sleep } from 'node:timers/promises';
import { ChannelClient, waitUntil } from '@fleetlm/testkit';
import { Latencies } from './latencies.ts';
import type { ServerUnderTest } from './server-under-test.ts';

/** How often alice says something: as lively as a participant's rate allows. */
const pauseMs = 25;

/** What became of what alice said. */
export interface Talk {
  /** Milliseconds until alice was acknowledged, and until bob heard it. */
  readonly acknowledged: Latencies;
  readonly received: Latencies;
  /** Messages that the server refused because it had too much to do. */
  readonly shed: number;
}

/** Two people who talk while something else goes on: what is stored must arrive, once, and the times tell the rest. */
export class Conversation implements AsyncDisposable {
  readonly #alice: ChannelClient;
  readonly #bob: ChannelClient;
  readonly #topic: string;
  readonly #sentMs = new Map<number, number>();
  #seen = 0;
  #said = 0;
  #stored = 0;
  #shed = 0;
  #acknowledged = new Latencies();
  #received = new Latencies();

  static async open(server: ServerUnderTest): Promise<Conversation> {
    const sessionId = await server.addSession('user:alice', 'user:bob');
    const alice = await ChannelClient.open(await server.socketUrl('user:alice'));
    const conversation: { opened?: Conversation } = {};
    const bob = await ChannelClient.open(await server.socketUrl('user:bob'), (_topic, event, payload) => {
      if (event === 'message') conversation.opened!.#receive(payload);
    });
    const topic = `session:${sessionId}`;
    for (const client of [alice, bob]) await client.join(topic);
    conversation.opened = new Conversation(alice, bob, topic);
    return conversation.opened;
  }

  private constructor(alice: ChannelClient, bob: ChannelClient, topic: string) {
    this.#alice = alice;
    this.#bob = bob;
    this.#topic = topic;
  }

  async talk(isDone: () => boolean): Promise<Talk> {
    this.#acknowledged = new Latencies();
    this.#received = new Latencies();
    this.#shed = 0;
    const said: Promise<void>[] = [];
    while (!isDone()) {
      said.push(this.#say());
      await sleep(pauseMs);
    }
    await Promise.all(said);
    await waitUntil(() => this.#seen === this.#stored, {
      what: `bob to hear all ${this.#stored} messages; he heard ${this.#seen}`,
    });
    return { acknowledged: this.#acknowledged, received: this.#received, shed: this.#shed };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#alice[Symbol.asyncDispose]();
    await this.#bob[Symbol.asyncDispose]();
  }

  async #say(): Promise<void> {
    this.#said += 1;
    const n = this.#said;
    const beganMs = performance.now();
    this.#sentMs.set(n, beganMs);
    const content = { content: { text: 'as people talk', n } };
    const { status, response } = await this.#alice.push(this.#topic, 'send', { content });
    if (status === 'ok') {
      this.#stored += 1;
      this.#acknowledged.add(performance.now() - beganMs);
    } else if (response.reason === 'overloaded') this.#shed += 1;
    else throw new Error(`message ${n} was refused: ${JSON.stringify(response)}`);
  }

  #receive({ seq, content }: { seq: number; content: { n: number } }): void {
    this.#seen += 1;
    if (seq !== this.#seen) throw new Error(`seq ${seq} came as number ${this.#seen}`);
    this.#received.add(performance.now() - this.#sentMs.get(content.n)!);
  }
}
