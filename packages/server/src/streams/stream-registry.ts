import type { SessionId, StreamId } from '@fleetlm/protocol';
import type { StoredMessage } from '../conversation/stored-message.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { PubSub } from '../pubsub/pubsub.ts';
import type { Chunk } from './chunk.ts';
import { RunningStream, type StreamFacts, type StreamHost } from './running-stream.ts';

export interface StreamRegistryOptions {
  readonly pubsub: PubSub;
  readonly metrics: Metrics;
}

const none: readonly RunningStream[] = [];

/**
 * The streams that run on this node: who pushes to one and who joins late meet here. A stream is here from its
 * `open` until its `close`. One timer flushes the deltas of all; it runs only while some wait.
 */
export class StreamRegistry {
  readonly #host: StreamHost;
  readonly #byId = new Map<StreamId, RunningStream>();
  /** The lists are replaced, never changed: whoever holds one may open and close streams meanwhile. */
  readonly #bySession = new Map<SessionId, readonly RunningStream[]>();
  readonly #waiting = new Set<RunningStream>();
  #timer: NodeJS.Timeout | null = null;
  /** When the timer fires. */
  #timerMs = Number.POSITIVE_INFINITY;
  readonly #flush = () => this.#flushDue();

  constructor({ pubsub, metrics }: StreamRegistryOptions) {
    this.#host = {
      pubsub,
      waits: (stream) => this.#wait(stream),
      pushed: () => metrics.chunkPushed(),
      closed: (stream) => this.#leave(stream),
    };
  }

  /** How many streams run. */
  get count(): number {
    return this.#byId.size;
  }

  /** Begins a stream, or goes on with one of which these chunks are known; from now on joiners see it. */
  open(facts: StreamFacts, known: readonly Chunk[] = []): RunningStream {
    const { streamId, sessionId } = facts;
    if (this.#byId.has(streamId)) throw new Error(`the stream ${streamId} runs already`);
    const stream = new RunningStream(facts, this.#host, known);
    this.#byId.set(streamId, stream);
    this.#bySession.set(sessionId, [...this.of(sessionId), stream]);
    return stream;
  }

  /** The streams of a session, oldest first. */
  of(sessionId: SessionId): readonly RunningStream[] {
    return this.#bySession.get(sessionId) ?? none;
  }

  /**
   * Messages were found in the log of a session: a stream that has become one of them has ended, even if whoever runs it
   * has not heard yet that the end is committed. Its last chunk must not come behind its message.
   */
  found(sessionId: SessionId, messages: readonly StoredMessage[]): void {
    for (const stream of this.of(sessionId)) {
      if (!messages.some(({ fields }) => fields.id === stream.facts.messageId)) continue;
      // One that runs was taken over, and ended, by another node.
      stream.end('interrupted');
      stream.close();
    }
  }

  find(streamId: StreamId): RunningStream | undefined {
    return this.#byId.get(streamId);
  }

  /** Nothing is flushed by time any more; whoever runs the streams ends them. */
  stop(): void {
    this.#disarm();
    this.#waiting.clear();
  }

  #wait(stream: RunningStream): void {
    this.#waiting.add(stream);
    this.#arm(stream.deadlineMs!);
  }

  #leave(stream: RunningStream): void {
    const { streamId, sessionId } = stream.facts;
    this.#byId.delete(streamId);
    this.#waiting.delete(stream);
    if (this.#waiting.size === 0) this.#disarm();
    const others = this.of(sessionId).filter((other) => other !== stream);
    if (others.length > 0) this.#bySession.set(sessionId, others);
    else this.#bySession.delete(sessionId);
  }

  /** An earlier deadline than the timer's is rare: with many streams one is always near. */
  #arm(deadlineMs: number): void {
    if (deadlineMs >= this.#timerMs) return;
    this.#disarm();
    this.#timerMs = deadlineMs;
    // The deadline may have passed since it was looked at; Node warns of a negative time.
    const leftMs = Math.max(Math.ceil(deadlineMs - performance.now()), 1);
    this.#timer = setTimeout(this.#flush, leftMs);
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#timerMs = Number.POSITIVE_INFINITY;
  }

  #flushDue(): void {
    this.#disarm();
    const nowMs = performance.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const stream of this.#waiting) {
      const { deadlineMs } = stream;
      if (deadlineMs !== null && deadlineMs > nowMs) {
        nextMs = Math.min(nextMs, deadlineMs);
        continue;
      }
      this.#waiting.delete(stream);
      stream.flush(nowMs);
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs);
  }
}
