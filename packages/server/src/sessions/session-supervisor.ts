import type { ParticipantId, Session, SessionId } from '@fleetlm/protocol';
import type { MessageListener } from '../conversation/append/appender.ts';
import type { StoredMessage } from '../conversation/stored-message.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { PubSub } from '../pubsub/pubsub.ts';
import { Cache } from '../runtime/cache.ts';
import { Supervisor } from '../runtime/supervisor.ts';
import type { Db } from '../storage/database.ts';
import type { StreamRegistry } from '../streams/stream-registry.ts';
import type { HotTail } from './hot-tail.ts';
import type { Receipt } from './receipts.ts';
import { type Followings, SessionServer } from './session-server.ts';

export interface SessionSupervisorOptions {
  readonly db: Db;
  readonly pubsub: PubSub;
  readonly streams: StreamRegistry;
  readonly idleMs: number;
  readonly cache: { readonly maxBytes: number; readonly ttlMs: number };
  readonly metrics: Metrics;
  readonly log: Log;
}

/** A text takes one byte per unit while it is Latin-1, else two; a message is kept as its parts and as JSON. */
const bytesPerUnit = 3;

/** Receipts of a session are joined for this long: nobody needs to see a cursor move twice a second. */
const receiptIntervalMs = 1_000;

/** The sessions that have readers on this node, and what reaches them. */
export class SessionSupervisor implements MessageListener {
  readonly #actors: Supervisor<SessionId, SessionServer>;
  readonly #metrics: Metrics;
  /** Sessions with receipts to tell, and the one timer for them, which runs only while there are some. */
  readonly #withReceipts = new Set<SessionServer>();
  #receiptTimer: NodeJS.Timeout | null = null;
  #changes = 0;

  constructor({ db, pubsub, streams, idleMs, cache, metrics, log }: SessionSupervisorOptions) {
    this.#metrics = metrics;
    const tails = new Cache<SessionId, HotTail>({ ...cache, sizeOf: (tail) => tail.size * bytesPerUnit });
    this.#actors = new Supervisor({
      name: 'session',
      idKey: 'session_id',
      create: (id, crash) => new SessionServer(id, { db, pubsub, streams, tails, metrics, crash }),
      idleMs,
      log,
    });
  }

  get count(): number {
    return this.#actors.count;
  }

  /** The running server of a session. Rejects when its tail cannot be loaded. */
  use(id: SessionId): Promise<SessionServer> {
    return this.#actors.use(id);
  }

  /** The server of a session if somebody reads it here. */
  find(id: SessionId): SessionServer | undefined {
    return this.#actors.find(id);
  }

  /** Sessions without readers need nothing: whoever comes reads the log. */
  committed(messages: readonly StoredMessage[]): void {
    const startedMs = performance.now();
    const bySession = new Map<SessionServer, StoredMessage[]>();
    for (const message of messages) {
      const server = this.#actors.find(message.sessionId);
      if (!server) continue;
      const batch = bySession.get(server);
      if (batch) batch.push(message);
      else bySession.set(server, [message]);
    }
    if (bySession.size === 0) return;
    for (const [server, batch] of bySession) server.committed(batch);
    this.#metrics.fannedOut('session', performance.now() - startedMs);
  }

  reached(sessionId: SessionId, lastSeq: number): void {
    this.#actors.find(sessionId)?.reached(lastSeq);
  }

  /** Counts up with each change of any session: whoever read one before must read it again after. */
  get changes(): number {
    return this.#changes;
  }

  noteChange(): void {
    this.#changes += 1;
  }

  /** A reader has read on. */
  receipt(sessionId: SessionId, receipt: Receipt): void {
    const server = this.#actors.find(sessionId);
    if (!server) return;
    server.receipt(receipt);
    this.#withReceipts.add(server);
    this.#receiptTimer ??= setTimeout(() => this.#flushReceipts(), receiptIntervalMs);
  }

  /** Status, metadata or members of a session have changed. */
  changed(session: Session): void {
    this.#actors.find(session.id)?.changed(session);
  }

  /** Who follows which session here. */
  followings(): Followings {
    const followings: Followings = { sessionIds: [], participantIds: [] };
    this.#actors.visitAll((_id, server) => server.addFollowings(followings));
    return followings;
  }

  /** A participant is no member of a session any more: its topics close. */
  revoke(sessionId: SessionId, participantId: ParticipantId): void {
    this.#actors.find(sessionId)?.revoke(participantId);
  }

  stop(): void {
    if (this.#receiptTimer) clearTimeout(this.#receiptTimer);
    this.#actors.stop();
  }

  #flushReceipts(): void {
    this.#receiptTimer = null;
    for (const server of this.#withReceipts) server.flushReceipts();
    this.#withReceipts.clear();
  }
}
