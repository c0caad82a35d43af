import type { ParticipantId, SessionId } from '@fleetlm/protocol';
import { LRUCache } from 'lru-cache';
import { findMemberships, readInboxEntries } from '../conversation/inbox/inbox-entries.ts';
import type { MemberKey } from '../conversation/members.ts';
import type { StoredMessage } from '../conversation/stored-message.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Db } from '../storage/database.ts';
import { InboxActivity, type ReadMoved } from './inbox-activity.ts';
import type { InboxServer } from './inbox-server.ts';

export interface InboxHubOptions {
  readonly db: Db;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Between two flushes: no inbox is updated more often. */
  readonly flushMs: number;
}

/** Sessions whose members here are known; one that is forgotten costs its part of a query. */
const maxKnownSessions = 100_000;

/**
 * Brings what happens in sessions to the inboxes that this node serves. It gathers activities, one per session
 * however busy, and hands them on at each flush. Nobody is asked per message: the inboxes that show a session are
 * indexed, and whether others should is asked once per session, for all sessions of a flush together.
 *
 * It owns the index and the flush timer, which runs only while there is something to flush. Flushes never
 * overlap: what arrives during one belongs to the next, so that whatever a flush reads from Postgres holds all
 * that it folds.
 */
export class InboxHub {
  readonly #options: InboxHubOptions;
  /** Inboxes that are loaded, and those that are still loading. */
  readonly #served = new Map<ParticipantId, InboxServer>();
  readonly #loading = new Set<InboxServer>();
  readonly #viewers = new Map<SessionId, Set<InboxServer>>();
  /** Sessions whose members among the served were looked up, in which round. */
  readonly #checked = new LRUCache<SessionId, number>({ max: maxKnownSessions });
  /** A new inbox may belong to any session: what was checked before it came is not any more. */
  #round = 0;
  #pending = new Map<SessionId, InboxActivity>();
  #timer: NodeJS.Timeout | null = null;
  #flushing: Promise<void> | null = null;
  #stopped = false;

  constructor(options: InboxHubOptions) {
    this.#options = options;
  }

  /** Sessions that some inbox shows, for tests: none when all have left. */
  get viewedSessions(): number {
    return this.#viewers.size;
  }

  committed(messages: readonly StoredMessage[]): void {
    if (!this.#hasListeners) return;
    for (const message of messages) this.#activityOf(message.sessionId).addMessage(message);
  }

  read(sessionId: SessionId, read: ReadMoved): void {
    if (this.#hasListeners) this.#activityOf(sessionId).addRead(read);
  }

  /** Status, metadata or members have changed, or the session is new. */
  changed(sessionId: SessionId): void {
    if (!this.#hasListeners) return;
    this.#checked.delete(sessionId);
    this.#activityOf(sessionId).mustReload = true;
  }

  /** From now on the inbox hears of everything: it loads meanwhile. */
  beginLoading(inbox: InboxServer): void {
    this.#loading.add(inbox);
  }

  /** The inbox has its view; what it heard of while it loaded comes again. */
  loaded(inbox: InboxServer, heard: Iterable<InboxActivity>): void {
    this.#loading.delete(inbox);
    this.#served.set(inbox.participantId, inbox);
    this.#round += 1;
    for (const sessionId of inbox.view.sessionIds()) this.show(inbox, sessionId);
    for (const activity of heard) this.#activityOf(activity.sessionId).mustReload = true;
  }

  /** The inbox ends, or loads again. */
  leave(inbox: InboxServer): void {
    this.#loading.delete(inbox);
    if (this.#served.get(inbox.participantId) === inbox) this.#served.delete(inbox.participantId);
    for (const sessionId of inbox.view.sessionIds()) this.hide(inbox, sessionId);
  }

  show(inbox: InboxServer, sessionId: SessionId): void {
    const viewers = this.#viewers.get(sessionId);
    if (viewers) viewers.add(inbox);
    else this.#viewers.set(sessionId, new Set([inbox]));
  }

  /** The session is no longer in the inbox's view, and may come back with its next activity. */
  hide(inbox: InboxServer, sessionId: SessionId): void {
    const viewers = this.#viewers.get(sessionId);
    viewers?.delete(inbox);
    if (viewers?.size === 0) this.#viewers.delete(sessionId);
    this.#checked.delete(sessionId);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#flushing;
  }

  get #hasListeners(): boolean {
    return this.#served.size > 0 || this.#loading.size > 0;
  }

  #activityOf(sessionId: SessionId): InboxActivity {
    let activity = this.#pending.get(sessionId);
    if (!activity) {
      activity = new InboxActivity(sessionId);
      this.#pending.set(sessionId, activity);
      this.#schedule();
    }
    return activity;
  }

  #schedule(): void {
    if (this.#timer || this.#flushing || this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#flushing = this.#flush().finally(() => {
        this.#flushing = null;
        if (this.#pending.size > 0) this.#schedule();
      });
    }, this.#options.flushMs);
  }

  async #flush(): Promise<void> {
    const startedMs = performance.now();
    const activities = this.#pending;
    this.#pending = new Map();
    for (const inbox of this.#loading) inbox.hear(activities.values());
    try {
      await this.#findViewers([...activities.keys()]);
      await this.#reload(this.#fold(activities.values()));
    } catch (error) {
      this.#options.log.warn({ err: error }, 'inboxes could not be brought up to date, loading them again');
      for (const inbox of [...this.#served.values()]) inbox.resync();
      return;
    }
    for (const inbox of this.#served.values()) inbox.publish();
    this.#options.metrics.fannedOut('inbox', performance.now() - startedMs);
  }

  /** Makes the members among the served inboxes viewers of sessions that were not checked in this round. */
  async #findViewers(sessions: readonly SessionId[]): Promise<void> {
    const round = this.#round;
    const unchecked = sessions.filter((sessionId) => this.#checked.get(sessionId) !== round);
    if (unchecked.length === 0 || this.#served.size === 0) return;
    const memberships = await findMemberships(this.#options.db, unchecked, [...this.#served.keys()]);
    for (const { sessionId, participantId } of memberships) {
      const inbox = this.#served.get(participantId);
      if (inbox) this.show(inbox, sessionId);
    }
    for (const sessionId of unchecked) this.#checked.set(sessionId, round);
  }

  /** Folds the activities into the views that show their sessions. Returns the entries that must be read again. */
  #fold(activities: Iterable<InboxActivity>): (MemberKey & { readonly inbox: InboxServer })[] {
    const reloads = [];
    for (const activity of activities) {
      for (const inbox of this.#viewers.get(activity.sessionId) ?? []) {
        if (inbox.fold(activity) !== 'reload') continue;
        reloads.push({ inbox, participantId: inbox.participantId, sessionId: activity.sessionId });
      }
    }
    return reloads;
  }

  /** Reads all of them in one query. An entry that is not there any more leaves its inbox. */
  async #reload(keys: readonly (MemberKey & { readonly inbox: InboxServer })[]): Promise<void> {
    if (keys.length === 0) return;
    const found = await readInboxEntries(this.#options.db, keys);
    const entries = new Map(found.map((row) => [`${row.participantId} ${row.sessionId}`, row.entry]));
    for (const { inbox, participantId, sessionId } of keys) {
      // It may have left, or begun to load anew, while the query ran.
      if (this.#served.get(participantId) !== inbox) continue;
      const entry = entries.get(`${participantId} ${sessionId}`);
      if (entry) inbox.put(entry);
      else inbox.remove(sessionId);
    }
  }
}
