import {
  defaultPageSize,
  maxPageSize,
  type ParticipantId,
  type Session,
  type SessionId,
  sessionTopic,
} from '@fleetlm/protocol';
import { type HistoryRange, readHistory, trimPage } from '../conversation/history.ts';
import type { StoredMessage } from '../conversation/stored-message.ts';
import type { Metrics } from '../observability/metrics.ts';
import { Broadcast } from '../pubsub/broadcast.ts';
import type { PubSub } from '../pubsub/pubsub.ts';
import type { Actor } from '../runtime/actor.ts';
import type { Cache } from '../runtime/cache.ts';
import { Mailbox } from '../runtime/mailbox.ts';
import type { Db } from '../storage/database.ts';
import type { StreamRegistry } from '../streams/stream-registry.ts';
import { HotTail } from './hot-tail.ts';
import { encodeReceipt, type Receipt, Receipts } from './receipts.ts';
import { type FeedReader, type FeedSource, SessionFeed } from './session-feed.ts';

export interface SessionServerOptions {
  readonly db: Db;
  readonly pubsub: PubSub;
  /** Are told what is read of the log: it may be newer than what this node has heard of. */
  readonly streams: Pick<StreamRegistry, 'found'>;
  /** Tails of servers that were passivated. */
  readonly tails: Cache<SessionId, HotTail>;
  readonly metrics: Metrics;
  /** Reports a failure from which it does not recover by itself. */
  readonly crash: (error: unknown) => void;
}

/** Who follows which session, as columns: the pairs are the elements at the same index. */
export interface Followings {
  readonly sessionIds: SessionId[];
  readonly participantIds: ParticipantId[];
}

/** Batches that wait while the tail is loaded or repaired; what does not fit is read from the log instead. */
const mailboxCapacity = 1_000;

/**
 * The actor of one session with readers on this node. It owns the hot tail and the feeds, and broadcasts each
 * committed message once, in seq order: an old one is ignored, the next one applied, a hole is filled from
 * Postgres first. It commits nothing and is never needed to commit.
 */
export class SessionServer implements Actor, FeedSource {
  readonly #id: SessionId;
  readonly #topic: string;
  readonly #options: SessionServerOptions;
  readonly #feeds = new Set<SessionFeed>();
  readonly #mailbox: Mailbox<readonly StoredMessage[]>;
  /** Null: no reader has read on. */
  #receipts: Receipts | null = null;
  #tail = new HotTail();
  /** The newest seq that is known to be committed; beyond the tail's while something is missing. */
  #knownSeq = 0;
  /** The newest version that readers were told of. */
  #shownVersion = 0;
  #hasEnded = false;

  constructor(id: SessionId, options: SessionServerOptions) {
    this.#id = id;
    this.#topic = sessionTopic(id);
    this.#options = options;
    this.#mailbox = new Mailbox({
      capacity: mailboxCapacity,
      receive: (messages) => this.#receive(messages),
      onError: options.crash,
    });
  }

  get isIdle(): boolean {
    return this.#feeds.size === 0;
  }

  /** The newest seq that its readers may be shown. */
  get lastSeq(): number {
    return this.#tail.lastSeq;
  }

  async start(): Promise<void> {
    // A kept tail may lack what was committed since: it never serves beyond its end, whoever joins says how far
    // the session has got, and the hole is filled.
    const { tails, metrics } = this.#options;
    const startedMs = performance.now();
    const kept = tails.take(this.#id);
    this.#tail = kept ?? (await this.#loadTail());
    metrics.cacheAsked('session_kept', kept !== undefined, performance.now() - startedMs);
    this.#mailbox.open();
  }

  stop(): void {
    this.#end();
    if (this.lastSeq > 0) this.#options.tails.put(this.#id, this.#tail);
  }

  crashed(error: unknown): void {
    this.#end();
    for (const feed of [...this.#feeds]) feed.fail(error);
  }

  /** Messages of this session that were just committed, in seq order. */
  committed(messages: readonly StoredMessage[]): void {
    this.#knownSeq = Math.max(this.#knownSeq, messages.at(-1)!.seq);
    // Refused when full: `#receive` sees by `#knownSeq` that something is missing.
    this.#mailbox.post(messages);
  }

  /** The session has got to `seq`: what is missing of it is read from the log. */
  reached(seq: number): void {
    if (seq <= this.lastSeq) return;
    this.#knownSeq = Math.max(this.#knownSeq, seq);
    this.#mailbox.post([]);
  }

  /**
   * A feed for a reader; it shows nothing before its `start`. Throws after the end, which may come between the
   * start and whoever waited for it: a feed of a server that has ended would be deaf.
   */
  attach(reader: FeedReader, participantId: ParticipantId | null): SessionFeed {
    if (this.#hasEnded) throw new Error('the session server has ended');
    const feed = new SessionFeed(this, reader, participantId);
    this.#feeds.add(feed);
    this.#options.pubsub.subscribe(this.#topic, feed);
    return feed;
  }

  release(feed: SessionFeed): void {
    this.#feeds.delete(feed);
    this.#options.pubsub.unsubscribe(this.#topic, feed);
  }

  /** A reader has read on; told at the next `flushReceipts`. */
  receipt(receipt: Receipt): void {
    this.#receipts ??= new Receipts();
    this.#receipts.add(receipt);
  }

  flushReceipts(): void {
    const receipts = this.#receipts?.take() ?? [];
    this.#receipts = null;
    for (const receipt of receipts) {
      const broadcast = new Broadcast(this.#topic, 'read', encodeReceipt(receipt));
      if (receipt.audience === 'everybody') this.#options.pubsub.broadcast(broadcast);
      else for (const feed of this.#feedsOf(receipt.participantId)) feed.deliver(broadcast);
    }
  }

  /** Status, metadata or members have changed. */
  changed(session: Session): void {
    // Two changes at once may be told in the other order, and one of them twice: what is shown never goes back.
    if (session.version <= this.#shownVersion) return;
    this.#shownVersion = session.version;
    this.#options.pubsub.broadcast(new Broadcast(this.#topic, 'session', JSON.stringify(session)));
  }

  /** Adds who follows the session here, once for each feed; the service, which may see all, is left out. */
  addFollowings({ sessionIds, participantIds }: Followings): void {
    for (const { participantId } of this.#feeds) {
      if (participantId === null) continue;
      sessionIds.push(this.#id);
      participantIds.push(participantId);
    }
  }

  /** The participant is no member any more: it sees nothing from here on. */
  revoke(participantId: ParticipantId): void {
    for (const feed of this.#feedsOf(participantId)) feed.revoke();
  }

  readAfter(cursor: number): StoredMessage[] | Promise<StoredMessage[]> {
    return this.read({ afterSeq: cursor, limit: maxPageSize }, this.lastSeq);
  }

  /** A page of the log up to `head`, which is committed: from the tail if it gets there, else from Postgres. */
  read(range: HistoryRange, head: number): StoredMessage[] | Promise<StoredMessage[]> {
    const startedMs = performance.now();
    const page = head <= this.lastSeq ? this.#readTail(range) : null;
    if (page === null) return this.#readLog(range, Math.max(head, this.lastSeq) + 1);
    this.#options.metrics.cacheAsked('session_tail', true, performance.now() - startedMs);
    return page;
  }

  #readTail({ afterSeq, beforeSeq, limit }: HistoryRange): StoredMessage[] | null {
    if (beforeSeq !== undefined) return null;
    if (afterSeq === undefined) {
      const newest = this.#tail.newest(limit);
      return newest && trimPage(newest, 'keep newest');
    }
    const next = this.#tail.after(afterSeq, limit);
    return next && trimPage(next, 'keep oldest');
  }

  async #readLog({ afterSeq, beforeSeq = Infinity, limit }: HistoryRange, end: number) {
    const { metrics } = this.#options;
    const startedMs = performance.now();
    const range = { afterSeq, beforeSeq: Math.min(beforeSeq, end), limit };
    const page = await this.#find(range);
    metrics.cacheAsked('session_tail', false, performance.now() - startedMs);
    return page;
  }

  /** What a join shows; each message more is another page of the table. It grows as messages come. */
  async #loadTail(): Promise<HotTail> {
    return new HotTail(await this.#find({ limit: defaultPageSize }));
  }

  /** A page of the log, in Postgres. */
  async #find(range: HistoryRange): Promise<StoredMessage[]> {
    const { db, streams } = this.#options;
    const page = await readHistory(db, this.#id, range);
    streams.found(this.#id, page);
    return page;
  }

  #feedsOf(participantId: ParticipantId): SessionFeed[] {
    return [...this.#feeds].filter((feed) => feed.participantId === participantId);
  }

  #end(): void {
    this.#hasEnded = true;
    this.#mailbox.end();
  }

  #receive(messages: readonly StoredMessage[]): void | Promise<void> {
    this.#apply(messages);
    if (this.lastSeq < this.#knownSeq) return this.#fillHole();
  }

  async #fillHole(): Promise<void> {
    while (this.lastSeq < this.#knownSeq) {
      const page = await this.#find({ afterSeq: this.lastSeq, limit: maxPageSize });
      if (page.length === 0) throw new Error(`the log ends at ${this.lastSeq}, before seq ${this.#knownSeq}`);
      this.#apply(page);
    }
  }

  #apply(messages: readonly StoredMessage[]): void {
    for (const message of messages) {
      if (this.#tail.apply(message) !== 'applied') continue;
      this.#options.pubsub.broadcast(new Broadcast(this.#topic, 'message', message.json, message.seq));
    }
  }
}
