import type { ParticipantId, SessionId } from '@fleetlm/protocol';
import type { StoredMessage } from '../conversation/stored-message.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { PubSub } from '../pubsub/pubsub.ts';
import { Cache } from '../runtime/cache.ts';
import { Supervisor } from '../runtime/supervisor.ts';
import type { Db } from '../storage/database.ts';
import type { ReadMoved } from './inbox-activity.ts';
import { InboxHub } from './inbox-hub.ts';
import { InboxServer } from './inbox-server.ts';
import type { InboxView } from './inbox-view.ts';

export interface InboxSupervisorOptions {
  readonly db: Db;
  readonly pubsub: PubSub;
  readonly idleMs: number;
  /** Sessions that the order in the database does not know to be active yet. */
  readonly unwritten: () => readonly SessionId[];
  readonly cache: { readonly maxBytes: number; readonly ttlMs: number };
  readonly metrics: Metrics;
  readonly log: Log;
}

/** An entry with its ids, times and preview. */
const entryBytes = 1_500;
/** Metadata as objects take several times what they take as text. */
const bytesPerMetadataUnit = 4;

/** At most ten updates a second reach an inbox: more than anybody reads, few enough for a phone. */
const flushMs = 100;

/** The inboxes that somebody follows on this node, and what reaches them. */
export class InboxSupervisor {
  readonly #hub: InboxHub;
  readonly #actors: Supervisor<ParticipantId, InboxServer>;

  constructor({ db, pubsub, idleMs, cache, unwritten, metrics, log }: InboxSupervisorOptions) {
    const views = new Cache<ParticipantId, InboxView>({ ...cache, sizeOf: sizeOfView });
    const hub = new InboxHub({ db, metrics, log, flushMs });
    this.#hub = hub;
    this.#actors = new Supervisor({
      name: 'inbox',
      idKey: 'participant_id',
      create: (id, crash) => new InboxServer(id, { db, pubsub, hub, views, unwritten, metrics, crash }),
      idleMs,
      log,
    });
  }

  get count(): number {
    return this.#actors.count;
  }

  /** Sessions that inboxes here show. */
  get viewedSessions(): number {
    return this.#hub.viewedSessions;
  }

  /** The running server of an inbox. Rejects when its view cannot be loaded. */
  use(id: ParticipantId): Promise<InboxServer> {
    return this.#actors.use(id);
  }

  committed(messages: readonly StoredMessage[]): void {
    this.#hub.committed(messages);
  }

  read(sessionId: SessionId, read: ReadMoved): void {
    this.#hub.read(sessionId, read);
  }

  /** A session's status, metadata or members have changed, or it is new. */
  changed(sessionId: SessionId): void {
    this.#hub.changed(sessionId);
  }

  async stop(): Promise<void> {
    await this.#hub.stop();
    this.#actors.stop();
  }
}

function sizeOfView(view: InboxView): number {
  const metadataUnits = view.entries().map(({ metadata }) => JSON.stringify(metadata).length);
  return metadataUnits.reduce((sum, units) => sum + units * bytesPerMetadataUnit + entryBytes, 0);
}
