import type { Broadcast } from './broadcast.ts';

/** Receives a topic's broadcasts, in order, synchronously: it must not throw, and must not wait. */
export interface Subscriber {
  deliver(broadcast: Broadcast): void;
}

/** Topics and who listens on this node. */
export interface PubSub {
  subscribe(topic: string, subscriber: Subscriber): void;
  unsubscribe(topic: string, subscriber: Subscriber): void;
  broadcast(broadcast: Broadcast): void;
  subscriberCount(topic: string): number;
}
