import { setTimeout as sleep } from 'node:timers/promises';
import { ChannelClient, ConnectionLost } from '@fleetlm/testkit';

// The offer of `overload.ts`, in a process of its own.

export interface OfferOrder {
  readonly clients: readonly { readonly url: string; readonly sessionId: string }[];
  /** Sent by the clock; null: five in flight on each socket, as fast as they are answered. */
  readonly perSecond: number | null;
  readonly ms: number;
}

export interface OfferResult {
  readonly sent: number;
  /** What the clock asked for, and a client held back since it had enough in flight. */
  readonly heldBack: number;
  readonly stored: number;
  /** How often each reason came. */
  readonly refused: Record<string, number>;
  /** Milliseconds from sending to the answer, of those that were stored. */
  readonly times: readonly number[];
  /** From the beginning to the last refusal, or late answer. */
  readonly lastTroubleMs: number;
}

const inFlight = 5;
/** The burst that a participant's rate allows. Without a bound a client would measure its own buffers. */
const maxInFlight = 200;
const tickMs = 10;
/** An answer that a person would not notice. */
const soonMs = 100;

interface Sender {
  readonly client: ChannelClient;
  readonly topic: string;
  inFlight: number;
}

process.once('message', async (order: OfferOrder) => {
  const offer = new Offer(order);
  process.send!(await offer.run());
});

class Offer {
  readonly #order: OfferOrder;
  readonly #refused: Record<string, number> = {};
  readonly #times: number[] = [];
  #sent = 0;
  #heldBack = 0;
  #beganMs = 0;
  #lastTroubleMs = 0;

  constructor(order: OfferOrder) {
    this.#order = order;
  }

  async run(): Promise<OfferResult> {
    await using resources = new AsyncDisposableStack();
    const { clients, ms } = this.#order;
    const senders: Sender[] = [];
    for (const { url, sessionId } of clients) {
      const client = resources.use(await ChannelClient.open(url));
      await client.join(`session:${sessionId}`);
      senders.push({ client, topic: `session:${sessionId}`, inFlight: 0 });
    }
    this.#beganMs = performance.now();
    await (this.#order.perSecond === null ? this.#closedLoop(senders, ms) : this.#openLoop(senders, ms));
    const { length: stored } = this.#times;
    return {
      sent: this.#sent,
      heldBack: this.#heldBack,
      stored,
      refused: this.#refused,
      times: this.#times,
      lastTroubleMs: Math.round(this.#lastTroubleMs),
    };
  }

  async #closedLoop(senders: readonly Sender[], ms: number): Promise<void> {
    const isOver = () => performance.now() - this.#beganMs >= ms;
    const workers = senders.flatMap((sender) => Array.from({ length: inFlight }, () => sender));
    await Promise.all(
      workers.map(async (sender) => {
        while (!isOver()) await this.#send(sender);
      }),
    );
  }

  async #openLoop(senders: readonly Sender[], ms: number): Promise<void> {
    const answered: Promise<void>[] = [];
    let offered = 0;
    for (let elapsedMs = 0; elapsedMs < ms; elapsedMs = performance.now() - this.#beganMs) {
      const due = Math.floor((elapsedMs / 1_000) * this.#order.perSecond!);
      for (; offered < due; offered += 1) {
        const sender = senders[offered % senders.length]!;
        if (sender.inFlight < maxInFlight) answered.push(this.#send(sender));
        else this.#heldBack += 1;
      }
      await sleep(tickMs);
    }
    await Promise.all(answered);
  }

  async #send(sender: Sender): Promise<void> {
    const sentMs = performance.now();
    this.#sent += 1;
    sender.inFlight += 1;
    try {
      const content = { content: { text: 'hello', n: this.#sent } };
      const { status, response } = await sender.client.push(sender.topic, 'send', { content });
      if (status === 'ok') this.#stored(sentMs);
      else this.#trouble(response.reason);
    } catch (error) {
      this.#trouble(error instanceof ConnectionLost ? error.message : String(error));
    } finally {
      sender.inFlight -= 1;
    }
  }

  #stored(sentMs: number): void {
    const ms = performance.now() - sentMs;
    this.#times.push(ms);
    if (ms > soonMs) this.#lastTroubleMs = performance.now() - this.#beganMs;
  }

  #trouble(reason: string): void {
    this.#refused[reason] = (this.#refused[reason] ?? 0) + 1;
    this.#lastTroubleMs = performance.now() - this.#beganMs;
  }
}
