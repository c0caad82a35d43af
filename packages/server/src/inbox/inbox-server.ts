import { type InboxConversation, inboxTopic, type ParticipantId, type SessionId } from '@fleetlm/protocol';
import { readInboxEntries, readInboxPage, refreshInboxPage } from '../conversation/inbox/inbox-entries.ts';
import { type InboxEntry, toConversation } from '../conversation/inbox/inbox-entry.ts';
import type { Metrics } from '../observability/metrics.ts';
import { Broadcast } from '../pubsub/broadcast.ts';
import type { PubSub, Subscriber } from '../pubsub/pubsub.ts';
import type { Actor } from '../runtime/actor.ts';
import type { Cache } from '../runtime/cache.ts';
import type { Db } from '../storage/database.ts';
import type { InboxActivity } from './inbox-activity.ts';
import type { InboxHub } from './inbox-hub.ts';
import { type Folded, InboxView, maxViewEntries } from './inbox-view.ts';

/** Who follows an inbox: a channel. */
export interface InboxReader extends Subscriber {
  /** The inbox has ended by a fault: the reader should come back. */
  failed(error: unknown): void;
}

/** The inbox as a reader finds it; updates with a greater version follow. */
export interface InboxSnapshot {
  readonly conversations: readonly InboxConversation[];
  readonly version: number;
}

export interface InboxServerOptions {
  readonly db: Db;
  readonly pubsub: PubSub;
  readonly hub: InboxHub;
  /** Sessions that the order in the database does not know to be active yet. */
  readonly unwritten: () => readonly SessionId[];
  /** Views of inboxes that were passivated. */
  readonly views: Cache<ParticipantId, InboxView>;
  readonly metrics: Metrics;
  readonly crash: (error: unknown) => void;
}

/** Sessions that were active while the view was loaded; beyond, it is loaded once more. */
const maxHeard = 10_000;

/**
 * The actor of one participant's inbox while somebody follows it here. It owns the view and its readers; the hub
 * calls it at each flush.
 *
 * States: loading (activities are kept) → loaded → ended. It publishes at most one update per flush.
 */
export class InboxServer implements Actor {
  readonly participantId: ParticipantId;
  readonly #options: InboxServerOptions;
  readonly #topic: string;
  readonly #readers = new Set<InboxReader>();
  readonly #changed = new Set<SessionId>();
  #view: InboxView;
  #version = 0;
  /** What happened while the view is being loaded; null when it is not. */
  #heard: Map<SessionId, InboxActivity> | null = null;
  #ended = false;

  constructor(participantId: ParticipantId, options: InboxServerOptions) {
    this.participantId = participantId;
    this.#options = options;
    this.#topic = inboxTopic(participantId);
    this.#view = new InboxView(participantId);
  }

  get view(): InboxView {
    return this.#view;
  }

  get isIdle(): boolean {
    return this.#readers.size === 0;
  }

  get snapshot(): InboxSnapshot {
    return { conversations: this.#view.entries().map(toConversation), version: this.#version };
  }

  start(): Promise<void> {
    return this.#load();
  }

  stop(): void {
    this.#end();
    if (this.#view.size > 0) this.#options.views.put(this.participantId, this.#view);
  }

  crashed(error: unknown): void {
    this.#end();
    for (const reader of [...this.#readers]) {
      this.detach(reader);
      reader.failed(error);
    }
  }

  attach(reader: InboxReader): void {
    this.#readers.add(reader);
    this.#options.pubsub.subscribe(this.#topic, reader);
  }

  detach(reader: InboxReader): void {
    this.#readers.delete(reader);
    this.#options.pubsub.unsubscribe(this.#topic, reader);
  }

  /** Keeps what happens while the view is loaded. */
  hear(activities: Iterable<InboxActivity>): void {
    for (const activity of activities) this.#heard?.set(activity.sessionId, activity);
  }

  fold(activity: InboxActivity): Folded {
    const folded = this.#view.fold(activity);
    if (folded === 'changed') this.#changed.add(activity.sessionId);
    return folded;
  }

  /** An entry as the database has it now. */
  put(entry: InboxEntry): void {
    const { sessionId } = entry;
    const wasShown = this.#view.get(sessionId) !== undefined;
    const evicted = this.#view.put(entry);
    for (const each of evicted) this.#options.hub.hide(this, each);
    // What finds no room at once was never shown: nobody has to be told.
    if (!wasShown && evicted.includes(sessionId)) return;
    for (const each of [sessionId, ...evicted]) this.#changed.add(each);
  }

  /** The session is not in the inbox any more. */
  remove(sessionId: SessionId): void {
    this.#options.hub.hide(this, sessionId);
    if (this.#view.remove(sessionId)) this.#changed.add(sessionId);
  }

  /** Tells the readers what has changed since the last flush. */
  publish(): void {
    if (this.#changed.size === 0) return;
    const conversations: InboxConversation[] = [];
    const removed: SessionId[] = [];
    for (const sessionId of this.#changed) {
      const entry = this.#view.get(sessionId);
      if (entry) conversations.push(toConversation(entry));
      else removed.push(sessionId);
    }
    this.#changed.clear();
    this.#version += 1;
    this.#broadcast('update', { conversations, removed, version: this.#version });
    if (this.#view.isShort) this.resync();
  }

  /** Something may have been missed: the whole view is read again, and shown as a whole. */
  resync(): void {
    this.#options.hub.leave(this);
    this.#load().then(
      () => this.#broadcast('snapshot', this.snapshot),
      (error: unknown) => this.#options.crash(error),
    );
  }

  async #load(): Promise<void> {
    const { hub } = this.#options;
    let heard: Map<SessionId, InboxActivity>;
    let view: InboxView;
    do {
      heard = new Map();
      this.#heard = heard;
      hub.beginLoading(this);
      view = new InboxView(this.participantId);
      for (const entry of await this.#readEntries()) view.put(entry);
      // What a full page may lack: it goes by an activity that is written a little later than the message.
      if (view.size >= maxViewEntries) for (const entry of await this.#readUnwritten()) view.put(entry);
    } while (heard.size > maxHeard);
    this.#heard = null;
    this.#changed.clear();
    this.#view = view;
    this.#version += 1;
    if (!this.#ended) hub.loaded(this, heard.values());
  }

  /** A kept view may be out of date: its entries serve as far as the database says the same. */
  async #readEntries(): Promise<InboxEntry[]> {
    const { views, metrics } = this.#options;
    const startedMs = performance.now();
    const kept = views.take(this.participantId);
    const entries = await this.#readPage(kept);
    metrics.cacheAsked('inbox_view', kept !== undefined, performance.now() - startedMs);
    return entries;
  }

  #readPage(kept: InboxView | undefined): Promise<InboxEntry[]> {
    const { db } = this.#options;
    // One more than it shows tells the view that there are more.
    const limit = maxViewEntries + 1;
    if (!kept) return readInboxPage(db, this.participantId, { limit });
    const entries = new Map(kept.entries().map((entry) => [entry.sessionId, entry]));
    return refreshInboxPage(db, this.participantId, { kept: entries, limit });
  }

  async #readUnwritten(): Promise<InboxEntry[]> {
    const { db, unwritten } = this.#options;
    const keys = unwritten().map((sessionId) => ({ participantId: this.participantId, sessionId }));
    const found = keys.length === 0 ? [] : await readInboxEntries(db, keys);
    return found.map(({ entry }) => entry);
  }

  #end(): void {
    this.#ended = true;
    this.#options.hub.leave(this);
  }

  #broadcast(event: 'update' | 'snapshot', payload: object): void {
    if (this.#readers.size === 0) return;
    this.#options.pubsub.broadcast(new Broadcast(this.#topic, event, JSON.stringify(payload)));
  }
}
