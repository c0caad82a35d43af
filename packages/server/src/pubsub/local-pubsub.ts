import type { Metrics } from '../observability/metrics.ts';
import type { Broadcast } from './broadcast.ts';
import type { PubSub, Subscriber } from './pubsub.ts';

/** Topics of one process. A topic lives as long as it has subscribers. */
export class LocalPubSub implements PubSub {
  readonly #metrics: Metrics;
  readonly #topics = new Map<string, Set<Subscriber>>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  subscribe(topic: string, subscriber: Subscriber): void {
    const subscribers = this.#topics.get(topic);
    if (subscribers) subscribers.add(subscriber);
    else this.#topics.set(topic, new Set([subscriber]));
  }

  unsubscribe(topic: string, subscriber: Subscriber): void {
    const subscribers = this.#topics.get(topic);
    if (!subscribers?.delete(subscriber)) return;
    if (subscribers.size === 0) this.#topics.delete(topic);
  }

  broadcast(broadcast: Broadcast): void {
    const subscribers = this.#topics.get(broadcast.topic);
    if (!subscribers) return;
    const startedMs = performance.now();
    for (const subscriber of subscribers) subscriber.deliver(broadcast);
    this.#metrics.broadcast(broadcast.topic, performance.now() - startedMs);
  }

  subscriberCount(topic: string): number {
    return this.#topics.get(topic)?.size ?? 0;
  }

  /** How many topics have subscribers: zero once everybody has left. */
  get topicCount(): number {
    return this.#topics.size;
  }
}
