import type { ClientFrame, Serializer, WireError } from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import type { Channel, OpenChannel } from '../channels/channel.ts';
import { unreachable } from '../lib/unreachable.ts';
import { encodeTextFrame } from '../lib/websocket-frame.ts';
import type { JoinResult } from '../observability/labels.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Trace, Tracing } from '../observability/tracing.ts';
import { frameAttributes, frameName } from './frame-trace.ts';
import type { SendQueue } from './send-queue.ts';
import { type Ending, errorReply } from './topic-effects.ts';
import {
  type ChannelEffect,
  type ChannelEffects,
  type ChannelJoin,
  type PortOwner,
  PushReply,
  TopicPort,
} from './topic-port.ts';
import { type TopicLimits, TopicTable } from './topic-table.ts';

/** What the topics of all connections share. */
export interface TopicsContext {
  readonly openChannel: OpenChannel;
  readonly topicLimits: TopicLimits;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
}

/** What topics need of their connection. */
export interface TopicsOwner {
  readonly id: string;
  readonly principal: Principal;
  readonly serializer: Serializer;
  readonly queue: SendQueue;
  /** A channel has answered `rate_limited`. */
  tooFast(): void;
  /** Adds who is connected. */
  logError(fields: object, message: string): void;
}

/**
 * The topics of one connection, and their channels.
 *
 * Decisions come from the topic table, channels from `openChannel`; this class performs the ones by the others,
 * and keeps what a channel throws from spreading. Its connection hands it frames, and ends it.
 */
export class ConnectionTopics implements PortOwner {
  readonly serializer: Serializer;
  readonly queue: SendQueue;
  readonly table: TopicTable<Channel, Buffer>;
  readonly #context: TopicsContext;
  readonly #owner: TopicsOwner;

  constructor(context: TopicsContext, owner: TopicsOwner) {
    this.#context = context;
    this.#owner = owner;
    this.serializer = owner.serializer;
    this.queue = owner.queue;
    this.table = new TopicTable(context.topicLimits);
  }

  /** Topics that are joined or being joined. */
  get size(): number {
    return this.table.size;
  }

  receive(frame: ClientFrame, bytes: number): void {
    this.#run(this.table.receive(frame, bytes));
  }

  /** Answers a frame with an error; nothing else comes of it. */
  refuse(frame: ClientFrame, error: WireError): void {
    this.#perform(errorReply(frame, frame.joinRef, error));
  }

  /** An event on every topic that is joined. */
  tellAll(event: string, payloadJson: string): void {
    for (const { topic, channelRef } of this.table.joined()) {
      this.#send(this.serializer.push(channelRef, null, topic, event, payloadJson));
    }
  }

  endAll(): void {
    this.#run(this.table.endAll());
  }

  /** A port's `close` and `crash`. */
  end(join: ChannelJoin, ending: Ending, error?: unknown): void {
    if (ending === 'crash' && join.phase !== 'over') this.#logCrash(join, error);
    this.#run(this.table.end(join, ending));
  }

  tooFast(): void {
    this.#owner.tooFast();
  }

  /** Each channel call may bring the next effects; a loop, so that many waiting frames do not nest. */
  #run(effects: ChannelEffects): void {
    for (let current = effects; current.length > 0; ) {
      let next: ChannelEffects = [];
      for (const effect of current) next = this.#perform(effect);
      current = next;
    }
  }

  /** The effects that follow from this one; only the last of a list has any. */
  #perform(effect: ChannelEffect): ChannelEffects {
    switch (effect.kind) {
      case 'open':
        return this.#open(effect);
      case 'joined':
        return this.#call(effect.join, (channel) => channel.joined());
      case 'handle':
        return this.#handle(effect);
      case 'settle':
        return this.#call(effect.join, (channel) => channel.settle());
      case 'leave':
        this.#leave(effect.join);
        return [];
      case 'reply':
        this.#reply(effect);
        return [];
      case 'end':
        this.#send(
          this.serializer.push(
            effect.joinRef,
            effect.joinRef,
            effect.topic,
            effect.event,
            effect.payloadJson,
          ),
        );
        return [];
      case 'send':
        this.queue.send(effect.output);
        return [];
      default:
        return unreachable(effect);
    }
  }

  #open({ join, payload }: Extract<ChannelEffect, { kind: 'open' }>): ChannelEffects {
    try {
      const port = new TopicPort(this, join);
      join.channel = this.#context.openChannel(this.#owner.principal, join.topic, port);
    } catch (error) {
      this.#logCrash(join, error);
      this.#countJoin(join, 'crashed');
      return this.table.crashJoin(join);
    }
    if (join.channel === null) {
      this.#countJoin(join, 'unmatched');
      return this.table.refuseUnmatched(join);
    }
    void this.#join(join, join.channel, payload);
    return [];
  }

  async #join(join: ChannelJoin, channel: Channel, payload: Parameters<Channel['join']>[0]): Promise<void> {
    const trace = this.#beginTrace('phx_join', join);
    let effects: ChannelEffects;
    try {
      const result = await channel.join(payload);
      this.#countJoin(join, result.ok ? 'ok' : result.error.code);
      effects = result.ok ? this.table.accept(join, result.value) : this.table.refuse(join, result.error);
      trace?.end(result.ok ? null : result.error.code);
    } catch (error) {
      this.#noteFailure(join, error, trace);
      effects = this.table.crashJoin(join);
    }
    this.#run(effects);
  }

  /** Who has left meanwhile misses nothing: at a stop, joins that are under way find nothing to join. */
  #noteFailure(join: ChannelJoin, error: unknown, trace: Trace | null): void {
    if (join.phase === 'over') {
      trace?.end('channel_crash');
      return;
    }
    this.#logCrash(join, error, trace);
    this.#countJoin(join, 'crashed');
  }

  #handle({ join, event, payload, ref }: Extract<ChannelEffect, { kind: 'handle' }>): ChannelEffects {
    const trace = this.#beginTrace(event, join);
    const reply = new PushReply(this, { join, ref, trace });
    return this.#call(join, (channel) => channel.handle(event, payload, reply), trace);
  }

  #beginTrace(event: string, { topic }: ChannelJoin): Trace | null {
    const { tracing } = this.#context;
    const name = tracing.isOn ? frameName(event) : undefined;
    const trace = name === undefined ? null : tracing.begin(name);
    if (trace?.isRecorded) trace.add(frameAttributes(this.#owner.id, topic));
    return trace;
  }

  /** Calls a channel; the next frame of its topic goes when the call is done. */
  #call(
    join: ChannelJoin,
    call: (channel: Channel) => void | Promise<void>,
    trace: Trace | null = null,
  ): ChannelEffects {
    try {
      const pending = call(join.channel!);
      if (pending === undefined) return this.table.resume(join);
      pending.then(
        () => this.#run(this.table.resume(join)),
        (error) => this.#run(this.#crash(join, error, trace)),
      );
      return [];
    } catch (error) {
      return this.#crash(join, error, trace);
    }
  }

  #crash(join: ChannelJoin, error: unknown, trace: Trace | null): ChannelEffects {
    this.#logCrash(join, error, trace);
    return this.table.end(join, 'crash');
  }

  #leave(join: ChannelJoin): void {
    const { channel } = join;
    join.channel = null;
    try {
      channel?.leave();
    } catch (error) {
      this.#logCrash(join, error);
    }
  }

  #reply({ joinRef, ref, topic, status, responseJson }: Extract<ChannelEffect, { kind: 'reply' }>): void {
    this.#send(this.serializer.reply(joinRef, ref, topic, status, responseJson));
  }

  #send(text: string): void {
    this.queue.send(encodeTextFrame(text));
  }

  #countJoin({ topic }: ChannelJoin, result: JoinResult): void {
    this.#context.metrics.joinAnswered(topic, result);
  }

  #logCrash({ topic }: ChannelJoin, error: unknown, trace: Trace | null = null): void {
    this.#owner.logError({ topic, err: error, trace_id: trace?.traceId }, 'channel crashed');
    trace?.end('channel_crash');
  }
}
