import { type Member, type ParticipantId, type SessionId, wireError } from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import { addMember, listMembers, type MembershipOutcome, removeMember } from '../conversation/members.ts';
import { findParticipants } from '../conversation/participants.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import { unreachable } from '../lib/unreachable.ts';
import type { Db } from '../storage/database.ts';
import { actsAs, mayManage, seeSession } from './access.ts';
import { invalidField } from './invalid-field.ts';
import { checkMember } from './session-calls.ts';
import type { SessionChanges } from './session-changes.ts';

/** What callers do with the members of a session. */
export class MemberCalls {
  readonly #db: Db;
  readonly #changes: SessionChanges;
  readonly #maxMembers: number;

  constructor(db: Db, changes: SessionChanges, maxMembers: number) {
    this.#db = db;
    this.#changes = changes;
    this.#maxMembers = maxMembers;
  }

  async list(principal: Principal, sessionId: SessionId | null): Promise<Result<Member[]>> {
    const seen = await seeSession(this.#db, principal, sessionId);
    return seen.ok ? ok(await listMembers(this.#db.kysely, seen.value.id)) : seen;
  }

  /** Makes a participant a member of a group; nothing changes if it is one. */
  async add(
    principal: Principal,
    sessionId: SessionId | null,
    participantId: ParticipantId,
    wake: Member['wake'] | undefined,
  ): Promise<Result<Member[]>> {
    const seen = await seeSession(this.#db, principal, sessionId);
    if (!seen.ok) return seen;
    if (!mayManage(principal, seen.value))
      return fail(wireError('forbidden', 'only the initiator may add members'));
    const found = await findParticipants(this.#db.kysely, [participantId]);
    const problem = checkMember(found, participantId, 'participant_id');
    if (problem) return fail(problem);
    const { id } = seen.value;
    const outcome = await addMember(this.#db.kysely, id, participantId, {
      wake,
      maxMembers: this.#maxMembers,
    });
    // Also when it was so already: the answer of the call that did it may have been lost.
    if (outcome === 'done' || outcome === 'unchanged') await this.#changes.changed(id);
    return this.#report(id, outcome);
  }

  /** Ends a membership; nothing changes if there is none. Anyone may leave a group. */
  async remove(
    principal: Principal,
    sessionId: SessionId | null,
    participantId: ParticipantId,
  ): Promise<Result<Member[]>> {
    const seen = await seeSession(this.#db, principal, sessionId);
    if (!seen.ok) return seen;
    if (!mayManage(principal, seen.value) && !actsAs(principal, participantId)) {
      return fail(wireError('forbidden', 'only the initiator may remove others'));
    }
    const { id } = seen.value;
    const outcome = await removeMember(this.#db.kysely, id, participantId);
    if (outcome === 'done' || outcome === 'unchanged') await this.#changes.removed(id, participantId);
    return this.#report(id, outcome);
  }

  async #report(sessionId: SessionId, outcome: MembershipOutcome): Promise<Result<Member[]>> {
    switch (outcome) {
      case 'done':
      case 'unchanged':
        return ok(await listMembers(this.#db.kysely, sessionId));
      case 'not_a_group':
        return fail(wireError('not_a_group'));
      case 'too_many':
        return fail(invalidField('participant_id', `would be one member more than ${this.#maxMembers}`));
      default:
        return unreachable(outcome);
    }
  }
}
