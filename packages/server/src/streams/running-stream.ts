import {
  type MessageId,
  type ParticipantId,
  type SessionId,
  type StreamId,
  sessionTopic,
  type TurnId,
} from '@fleetlm/protocol';
import { Broadcast } from '../pubsub/broadcast.ts';
import type { PubSub } from '../pubsub/pubsub.ts';
import type { Chunk } from './chunk.ts';
import {
  type CompactStream,
  StreamAssembler,
  type StreamEnding,
  type StreamPush,
  type StreamSegment,
} from './stream-assembler.ts';
import type { Termination } from './termination.ts';

/** What a stream is, committed before anybody is shown anything of it. */
export interface StreamFacts {
  readonly streamId: StreamId;
  /** Of the message that the stream becomes. */
  readonly messageId: MessageId;
  readonly turnId: TurnId;
  readonly agentId: ParticipantId;
  readonly sessionId: SessionId;
}

/** Who reads a stream otherwise than by its session's topic. It must not throw, and must not wait. */
export interface StreamListener {
  pushed(push: StreamPush, chunkJson: string): void;
  /** The terminal chunk was pushed. */
  closed(): void;
}

/** What a stream needs of its node. */
export interface StreamHost {
  readonly pubsub: PubSub;
  /** Something waits in the stream: it wants a `flush` at its `deadlineMs`. */
  waits(stream: RunningStream): void;
  /** A chunk was given to whoever reads. */
  pushed(): void;
  closed(stream: RunningStream): void;
}

/** The event of one chunk on `session:<id>`. */
export const streamChunkEvent = 'stream_chunk';

/**
 * A stream that runs on this node: each push of its assembler goes to its session's topic and to its listeners, in
 * order and at once. Made by `StreamRegistry.open`; it ends by `end` (or by the agent's last chunk) and, after the
 * commit, `close`. Encodes nothing while nobody reads.
 */
export class RunningStream {
  readonly facts: StreamFacts;
  readonly #host: StreamHost;
  readonly #topic: string;
  readonly #assembler = new StreamAssembler();
  readonly #listeners = new Set<StreamListener>();
  /** The JSON of all that its payloads have in common, up to the index. */
  readonly #head: string;
  /** Whether a `start` was shown. */
  #hasBegun: boolean;

  constructor(facts: StreamFacts, host: StreamHost, known: readonly Chunk[]) {
    this.facts = facts;
    this.#host = host;
    this.#topic = sessionTopic(facts.sessionId);
    this.#head = `${encodeFacts(facts)},"index":`;
    this.#hasBegun = known.length > 0;
    // They were shown where the stream ran before.
    for (const chunk of known) this.#assembler.push(chunk, performance.now());
    this.#assembler.flush(performance.now());
  }

  /** When `flush` is due, in ms of `performance.now()`; null while nothing waits. */
  get deadlineMs(): number | null {
    return this.#assembler.deadlineMs;
  }

  /** Of the push that comes next. */
  get nextIndex(): number {
    return this.#assembler.nextIndex;
  }

  /** What is to be committed; null while it runs. */
  get ending(): StreamEnding | null {
    return this.#assembler.ending;
  }

  /** Takes a chunk of the agent; after the end it is dropped. */
  push(chunk: Chunk): void {
    if (!this.#hasBegun) this.#begin(chunk);
    const shown = chunk.type === 'start' ? { ...chunk, messageId: this.facts.messageId } : chunk;
    this.#send(this.#assembler.push(shown, performance.now()));
    if (this.#assembler.deadlineMs !== null) this.#host.waits(this);
  }

  flush(nowMs: number): void {
    this.#send(this.#assembler.flush(nowMs));
  }

  /** Lets nothing follow, and gives what to commit. A stop also takes the place of another ending. */
  end(termination: Termination, errorText?: string): StreamEnding {
    this.#send(this.#assembler.end(termination, performance.now(), errorText));
    return this.#assembler.ending!;
  }

  /**
   * Shows the terminal chunk, once, after the end was committed; `committed` is how, when somebody else was first.
   */
  close(committed?: Termination): void {
    if (this.#assembler.state === 'running') throw new Error('a stream is closed after its end');
    const terminal = this.#assembler.close(committed);
    if (terminal === null) return;
    this.#host.closed(this);
    this.#sendOne(terminal);
    for (const listener of this.#listeners) listener.closed();
    this.#listeners.clear();
  }

  /** For who joins now: from `nextIndex` on it gets the pushes. */
  compact(): CompactStream {
    return this.#assembler.compact();
  }

  /** What was pushed since the last segment; null when there is nothing. */
  takeSegment(): StreamSegment | null {
    return this.#assembler.takeSegment();
  }

  /** Hands every push from now on to a listener, until it is closed or the returned function is called. */
  subscribe(listener: StreamListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Readers of the AI SDK take a message's id from its `start`: each has that of the message in the log, so that who
   * merges by it has the answer once, and an agent that sends none is given one.
   */
  #begin(first: Chunk): void {
    this.#hasBegun = true;
    if (first.type === 'start') return;
    const start = { type: 'start', messageId: this.facts.messageId };
    this.#send(this.#assembler.push(start, performance.now()));
  }

  #send(pushes: readonly StreamPush[]): void {
    for (const push of pushes) this.#sendOne(push);
  }

  #sendOne(push: StreamPush): void {
    const { pubsub } = this.#host;
    const hasReaders = pubsub.subscriberCount(this.#topic) > 0;
    if (!hasReaders && this.#listeners.size === 0) return;
    const chunkJson = JSON.stringify(push.chunk);
    this.#host.pushed();
    if (hasReaders) {
      const payloadJson = `${this.#head}${push.index},"chunk":${chunkJson}}`;
      pubsub.broadcast(new Broadcast(this.#topic, streamChunkEvent, payloadJson));
    }
    for (const listener of this.#listeners) listener.pushed(push, chunkJson);
  }
}

/** The entry of a join reply's `streams`. */
export function encodeForJoiner(stream: RunningStream): string {
  const { nextIndex, chunks } = stream.compact();
  return `${encodeFacts(stream.facts)},"next_index":${nextIndex},"chunks":${JSON.stringify(chunks)}}`;
}

/** The beginning of an object: its closing brace is left to the caller. */
function encodeFacts({ streamId, messageId, turnId, agentId }: StreamFacts): string {
  const agentJson = JSON.stringify(agentId);
  return `{"stream_id":"${streamId}","message_id":"${messageId}","turn_id":"${turnId}","agent_id":${agentJson}`;
}
