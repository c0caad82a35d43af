import type { ParticipantId } from '@fleetlm/protocol';
import type { StoredMessage } from '../conversation/stored-message.ts';
import type { Broadcast } from '../pubsub/broadcast.ts';
import type { Subscriber } from '../pubsub/pubsub.ts';
import { streamChunkEvent } from '../streams/running-stream.ts';

/** Who reads a session through a feed: a channel. */
export interface FeedReader {
  /** A message that this reader alone missed. */
  push(message: StoredMessage): void;
  /** An event that all readers get. It may come before the join is answered: the reader's port holds it back. */
  deliver(broadcast: Broadcast): void;
  /** Resolves when the reader has little left to take; rejects when it is gone. */
  drained(): Promise<void>;
  /** The feed has ended by a fault: the reader should come back. */
  failed(error: unknown): void;
  /** The reader may not see this session any more. */
  revoked(): void;
}

/** Where a feed's messages come from. */
export interface FeedSource {
  /** The newest seq that may be shown. */
  readonly lastSeq: number;
  /** Messages after a cursor up to `lastSeq`, at least one if there is one. */
  readAfter(cursor: number): StoredMessage[] | Promise<StoredMessage[]>;
  release(feed: SessionFeed): void;
}

/**
 * One reader's way through a session: from its cursor to the end, then live; each message once, in order.
 *
 * States: `waiting` (the join is not answered yet) → `catching-up` → `live` → `ended`. While it catches up it
 * keeps no broadcasts: what it misses of them is in the log, and it reads on until its cursor meets the newest
 * seq. Nothing runs between that look and going live, so there is neither a hole nor a repeat, and a slow
 * reader costs a page of memory, not a growing buffer.
 *
 * Chunks of streams are not in the log: they are shown from `followStreams` on, whatever the state.
 */
export class SessionFeed implements Subscriber {
  readonly #source: FeedSource;
  readonly #reader: FeedReader;
  /** Whose eyes these are; null for the service's. */
  readonly participantId: ParticipantId | null;
  #cursor = 0;
  #isRevoked = false;
  #followsStreams = false;
  #state: 'waiting' | 'catching-up' | 'live' | 'ended' = 'waiting';

  constructor(source: FeedSource, reader: FeedReader, participantId: ParticipantId | null) {
    this.#source = source;
    this.#reader = reader;
    this.participantId = participantId;
  }

  get isRevoked(): boolean {
    return this.#isRevoked;
  }

  /** Begins after `cursor`: everything up to it was shown by other means. */
  start(cursor: number): void {
    if (this.#state !== 'waiting') return;
    this.#cursor = cursor;
    void this.#catchUp();
  }

  /** The reader was given what the session's streams have said up to now: from now on it gets each chunk. */
  followStreams(): void {
    this.#followsStreams = true;
  }

  deliver(broadcast: Broadcast): void {
    if (broadcast.seq === 0) {
      this.#deliverUnlogged(broadcast);
      return;
    }
    if (this.#state !== 'live' || broadcast.seq <= this.#cursor) return;
    this.#cursor = broadcast.seq;
    this.#reader.deliver(broadcast);
  }

  /** The reader leaves. */
  end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#source.release(this);
  }

  /** The session's actor is gone. */
  fail(error: unknown): void {
    if (this.#state === 'ended') return;
    this.end();
    this.#reader.failed(error);
  }

  /** The reader may not read on. */
  revoke(): void {
    if (this.#state === 'ended') return;
    this.#isRevoked = true;
    this.end();
    this.#reader.revoked();
  }

  /** Receipts and changes of the session are not in the log: none is dropped. */
  #deliverUnlogged(broadcast: Broadcast): void {
    if (this.#state === 'ended') return;
    if (!this.#followsStreams && broadcast.event === streamChunkEvent) return;
    this.#reader.deliver(broadcast);
  }

  async #catchUp(): Promise<void> {
    this.#state = 'catching-up';
    try {
      while (this.#isCatchingUp && this.#cursor < this.#source.lastSeq) {
        await this.#reader.drained();
        this.#show(await this.#source.readAfter(this.#cursor));
      }
      if (this.#isCatchingUp) this.#state = 'live';
    } catch (error) {
      this.fail(error);
    }
  }

  #show(page: readonly StoredMessage[]): void {
    if (!this.#isCatchingUp) return;
    if (page[0]?.seq !== this.#cursor + 1) throw new Error(`the log has nothing after seq ${this.#cursor}`);
    for (const message of page) this.#reader.push(message);
    this.#cursor = page.at(-1)!.seq;
  }

  get #isCatchingUp(): boolean {
    return this.#state === 'catching-up';
  }
}
