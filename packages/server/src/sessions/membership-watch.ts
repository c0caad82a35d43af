import { findFormerMembers } from '../conversation/members.ts';
import type { Log } from '../lib/log.ts';
import { PeriodicCheck } from '../runtime/periodic-check.ts';
import type { Db } from '../storage/database.ts';
import type { SessionSupervisor } from './session-supervisor.ts';

export interface MembershipWatchOptions {
  readonly db: Db;
  readonly sessions: SessionSupervisor;
  readonly log: Log;
}

/** As often as disabled participants are looked for: a removal made elsewhere ends its topics within 5 s. */
const intervalMs = 4_000;
/** Pairs of one query, so that it stays a matter of milliseconds. */
const maxPerQuery = 10_000;

/**
 * Closes the topics of those who are no members any more, whoever removed them: another node, the database
 * itself, or a call here whose answer from Postgres was lost. A removal on this node closes them at once by itself.
 *
 * Started and stopped by `server.ts`.
 */
export class MembershipWatch {
  readonly #options: MembershipWatchOptions;
  readonly #checks = new PeriodicCheck(() => this.#check(), intervalMs);

  constructor(options: MembershipWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#checks.start();
  }

  stop(): Promise<void> {
    return this.#checks.stop();
  }

  async #check(): Promise<void> {
    const { db, sessions, log } = this.#options;
    const { sessionIds, participantIds } = sessions.followings();
    try {
      while (sessionIds.length > 0) {
        const slice = [sessionIds.splice(0, maxPerQuery), participantIds.splice(0, maxPerQuery)] as const;
        const former = await findFormerMembers(db, ...slice);
        for (const { sessionId, participantId } of former) sessions.revoke(sessionId, participantId);
      }
    } catch (error) {
      log.warn({ err: error }, 'memberships of open topics cannot be looked at');
    }
  }
}
