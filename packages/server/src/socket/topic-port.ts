import { type Ref, type Serializer, toErrorReply, type WireError } from '@fleetlm/protocol';
import type { Channel, ChannelPort, Reply } from '../channels/channel.ts';
import { encodeTextFrame } from '../lib/websocket-frame.ts';
import type { Trace } from '../observability/tracing.ts';
import type { Broadcast } from '../pubsub/broadcast.ts';
import { type SendQueue, SocketClosedError } from './send-queue.ts';
import type { Effect, Effects, Ending, Join } from './topic-effects.ts';
import type { TopicTable } from './topic-table.ts';

/** The table's types, with what the connection puts in: real channels, and output as encoded frames. */
export type ChannelJoin = Join<Channel, Buffer>;
type ChannelTable = TopicTable<Channel, Buffer>;
export type ChannelEffect = Effect<Channel, Buffer>;
export type ChannelEffects = Effects<Channel, Buffer>;

/** What a port needs of its connection. */
export interface PortOwner {
  readonly serializer: Serializer;
  readonly table: ChannelTable;
  readonly queue: SendQueue;
  /** The channel ended its topic; `error` is set for a crash. */
  end(join: ChannelJoin, ending: Ending, error?: unknown): void;
  /** Something was refused since it came too fast. */
  tooFast(): void;
}

/** One channel's way to its client: nothing of it has any effect once its join is over. */
export class TopicPort implements ChannelPort {
  readonly #owner: PortOwner;
  readonly #join: ChannelJoin;

  constructor(owner: PortOwner, join: ChannelJoin) {
    this.#owner = owner;
    this.#join = join;
  }

  push(event: string, payloadJson: string): void {
    const { topic, channelRef, phase } = this.#join;
    if (phase === 'over') return;
    this.#send(encodeTextFrame(this.#owner.serializer.push(channelRef, null, topic, event, payloadJson)));
  }

  deliver(broadcast: Broadcast): void {
    if (this.#join.phase === 'over') return;
    this.#send(broadcast.frame(this.#owner.serializer.version));
  }

  /** A topic that ends while its channel waits is noticed when the socket has drained or is gone. */
  async drained(): Promise<void> {
    if (this.#join.phase !== 'over') await this.#owner.queue.drained();
    if (this.#join.phase === 'over') throw new SocketClosedError();
  }

  close(): void {
    this.#owner.end(this.#join, 'close');
  }

  crash(error: unknown): void {
    this.#owner.end(this.#join, 'crash', error);
  }

  #send(frame: Buffer): void {
    if (this.#owner.table.offer(this.#join, frame)) this.#owner.queue.send(frame);
  }
}

/** What is answered: a frame's ref in a join, and its trace. */
export interface Push {
  readonly join: ChannelJoin;
  readonly ref: Ref;
  readonly trace: Trace | null;
}

/** The answer to one push: the first one counts, and only while the join is not over. */
export class PushReply implements Reply {
  readonly trace: Trace | null;
  readonly #owner: PortOwner;
  readonly #join: ChannelJoin;
  readonly #ref: Ref;
  #isAnswered = false;

  constructor(owner: PortOwner, { join, ref, trace }: Push) {
    this.#owner = owner;
    this.#join = join;
    this.#ref = ref;
    this.trace = trace;
  }

  ok(responseJson: string): void {
    this.#answer('ok', responseJson);
    this.trace?.end(null);
  }

  error(error: WireError): void {
    this.#answer('error', JSON.stringify(toErrorReply(error)));
    this.trace?.end(error.code);
    if (error.code === 'rate_limited') this.#owner.tooFast();
  }

  #answer(status: 'ok' | 'error', responseJson: string): void {
    if (this.#isAnswered || this.#join.phase === 'over') return;
    this.#isAnswered = true;
    const { channelRef, topic } = this.#join;
    const { serializer, queue } = this.#owner;
    queue.send(encodeTextFrame(serializer.reply(channelRef, this.#ref, topic, status, responseJson)));
  }
}
