import type { ParticipantId, SessionId } from '@fleetlm/protocol';
import type { TurnControl } from '../agents/turn-control.ts';
import { readSession } from '../conversation/sessions.ts';
import type { InboxSupervisor } from '../inbox/inbox-supervisor.ts';
import type { SessionSupervisor } from '../sessions/session-supervisor.ts';
import type { Db } from '../storage/database.ts';

export interface SessionChangesOptions {
  readonly db: Db;
  readonly sessions: SessionSupervisor;
  readonly inboxes: InboxSupervisor;
  readonly turns: TurnControl;
}

/** Tells those who follow a session, and the inboxes, of what was committed to it beside messages. */
export class SessionChanges {
  readonly #db: Db;
  readonly #sessions: SessionSupervisor;
  readonly #inboxes: InboxSupervisor;
  readonly #turns: TurnControl;

  constructor({ db, sessions, inboxes, turns }: SessionChangesOptions) {
    this.#db = db;
    this.#sessions = sessions;
    this.#inboxes = inboxes;
    this.#turns = turns;
  }

  /** A new session: nobody follows it yet, its members' inboxes show it. */
  created(id: SessionId): void {
    this.#inboxes.changed(id);
  }

  /** Status, metadata or members. */
  async changed(id: SessionId): Promise<void> {
    this.#inboxes.changed(id);
    this.#sessions.noteChange();
    await this.#turns.recheck(id);
    if (!this.#sessions.find(id)) return;
    const view = await readSession(this.#db, id, null);
    if (view) this.#sessions.changed(view.session);
  }

  /** Somebody is no member any more: its topics close before anything else is told. */
  async removed(id: SessionId, participantId: ParticipantId): Promise<void> {
    this.#sessions.revoke(id, participantId);
    // Noted in the same turn as the revocation: whoever joins is seen by the one or sees the other.
    await this.changed(id);
  }
}
