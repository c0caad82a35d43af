import type { SessionId } from '@fleetlm/protocol';
import type { AppendListener } from '../conversation/append/appender.ts';
import type { StoredMessage } from '../conversation/stored-message.ts';
import type { Log } from '../lib/log.ts';
import type { PubSub } from '../pubsub/pubsub.ts';
import { Supervisor } from '../runtime/supervisor.ts';
import type { Db } from '../storage/database.ts';
import { SessionServer } from './session-server.ts';

export interface SessionSupervisorOptions {
  readonly db: Db;
  readonly pubsub: PubSub;
  readonly idleMs: number;
  readonly log: Log;
}

/** The sessions that have readers on this node, and what reaches them. */
export class SessionSupervisor implements AppendListener {
  readonly #actors: Supervisor<SessionId, SessionServer>;

  constructor({ db, pubsub, idleMs, log }: SessionSupervisorOptions) {
    this.#actors = new Supervisor({
      name: 'session',
      create: (id, crash) => new SessionServer(id, { db, pubsub, crash }),
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
    const bySession = new Map<SessionServer, StoredMessage[]>();
    for (const message of messages) {
      const server = this.#actors.find(message.sessionId);
      if (!server) continue;
      const batch = bySession.get(server);
      if (batch) batch.push(message);
      else bySession.set(server, [message]);
    }
    for (const [server, batch] of bySession) server.committed(batch);
  }

  reached(sessionId: SessionId, lastSeq: number): void {
    this.#actors.find(sessionId)?.reached(lastSeq);
  }

  stop(): void {
    this.#actors.stop();
  }
}
