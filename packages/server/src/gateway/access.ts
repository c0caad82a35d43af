import {
  type ParticipantId,
  type Session,
  type SessionId,
  type WireError,
  wireError,
} from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import type { ParticipantDirectory } from '../conversation/participant-directory.ts';
import { readSession } from '../conversation/sessions.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import type { Db } from '../storage/database.ts';

/** Whether the principal may act as this participant: it is the participant, or the service. */
export function actsAs(principal: Principal, participantId: ParticipantId): boolean {
  return principal.kind === 'service' || principal.participantId === participantId;
}

/** Whether the principal may change a session: its members, its status, its metadata. */
export function mayManage(principal: Principal, session: Session): boolean {
  return actsAs(principal, session.initiator_id);
}

/**
 * Why the principal may not begin to follow anything, or null: a socket can be older than the moment in which
 * its participant was disabled elsewhere. Each join asks; REST calls and handshakes are authenticated anew.
 */
export async function findBarred(
  directory: ParticipantDirectory,
  principal: Principal,
): Promise<WireError | null> {
  if (principal.kind === 'service') return null;
  const isDisabled = await directory.isDisabled(principal.participantId);
  return isDisabled ? wireError('participant_disabled') : null;
}

/**
 * The session, if the principal may see it. One that is absent and one that it may not see look alike. The
 * session's `last_seq` is at least that of everything acknowledged before the call.
 */
export async function seeSession(
  db: Db,
  principal: Principal,
  id: SessionId | null,
): Promise<Result<Session>> {
  const viewer = principal.kind === 'participant' ? principal.participantId : null;
  const view = id === null ? null : await readSession(db, id, viewer);
  const isVisible = view !== null && (principal.kind === 'service' || view.viewerIsMember);
  return isVisible ? ok(view.session) : fail(wireError('session_not_found'));
}
