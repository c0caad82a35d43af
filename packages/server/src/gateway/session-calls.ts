import {
  type JsonObject,
  type Participant,
  type ParticipantId,
  type Session,
  type SessionId,
  type SessionKind,
  type SessionStatus,
  type WireError,
  wireError,
} from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import { findParticipants } from '../conversation/participants.ts';
import {
  changeSession,
  createSession,
  directKind,
  listSessions,
  type NewSession,
  readSession,
  type SessionChange,
} from '../conversation/sessions.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import type { Db } from '../storage/database.ts';
import { actsAs, mayManage, seeSession } from './access.ts';
import { invalidField } from './invalid-field.ts';
import { checkMetadata } from './metadata-limit.ts';
import { decodePageCursor, type Page, toPage } from './page.ts';
import type { SessionChanges } from './session-changes.ts';

/** A direct session is between two; a group has an initiator and any others. */
export type SessionRequest =
  | {
      readonly kind: 'direct';
      readonly initiatorId: ParticipantId;
      readonly peerId: ParticipantId;
      readonly metadata: JsonObject;
    }
  | {
      readonly kind: 'group';
      readonly initiatorId: ParticipantId;
      readonly memberIds: readonly ParticipantId[];
      readonly metadata: JsonObject;
    };

export interface SessionLimits {
  readonly maxGroupMembers: number;
  readonly maxMetadataBytes: number;
}

export interface SessionQuery {
  readonly participantId?: ParticipantId | undefined;
  readonly kind?: SessionKind | undefined;
  readonly status?: SessionStatus | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** What callers do with sessions. */
export class SessionCalls {
  readonly #db: Db;
  readonly #changes: SessionChanges;
  readonly #limits: SessionLimits;

  constructor(db: Db, changes: SessionChanges, limits: SessionLimits) {
    this.#db = db;
    this.#changes = changes;
    this.#limits = limits;
  }

  async create(principal: Principal, request: SessionRequest): Promise<Result<Session>> {
    if (!actsAs(principal, request.initiatorId)) {
      return fail(wireError('forbidden', 'initiator_id is somebody else: start a session as yourself'));
    }
    const problem = checkMetadata(request.metadata, this.#limits.maxMetadataBytes);
    if (problem) return fail(problem);
    const planned =
      request.kind === 'direct' ? await this.#planDirect(request) : await this.#planGroup(request);
    if (!planned.ok) return planned;
    const id = await createSession(this.#db.kysely, planned.value);
    this.#changes.created(id);
    return ok((await readSession(this.#db, id, null))!.session);
  }

  get(principal: Principal, id: SessionId | null): Promise<Result<Session>> {
    return seeSession(this.#db, principal, id);
  }

  /** Sessions, newest first. A participant sees its own. */
  async list(principal: Principal, query: SessionQuery): Promise<Result<Page<Session>>> {
    const before = decodePageCursor(query.cursor);
    if (!before.ok) return before;
    const self = principal.kind === 'participant' ? principal.participantId : query.participantId;
    if (query.participantId !== undefined && query.participantId !== self) {
      return fail(
        wireError('forbidden', 'participant_id is somebody else: a participant may list its own sessions'),
      );
    }
    const { kind, status, limit } = query;
    const filter = { participantId: self, kind, status, before: before.value, limit: limit + 1 };
    return ok(toPage(await listSessions(this.#db.kysely, filter), limit, (session) => session.id));
  }

  async change(principal: Principal, id: SessionId | null, change: SessionChange): Promise<Result<Session>> {
    const problem = checkMetadata(change.metadata, this.#limits.maxMetadataBytes);
    if (problem) return fail(problem);
    const seen = await seeSession(this.#db, principal, id);
    if (!seen.ok) return seen;
    if (!mayManage(principal, seen.value)) {
      return fail(wireError('forbidden', 'only the initiator may change a session'));
    }
    await changeSession(this.#db.kysely, seen.value.id, change);
    // Also when it was so already: the answer of the call that did it may have been lost.
    await this.#changes.changed(seen.value.id);
    return seeSession(this.#db, principal, id);
  }

  async #planDirect(request: SessionRequest & { kind: 'direct' }): Promise<Result<NewSession>> {
    const { initiatorId, peerId, metadata } = request;
    if (initiatorId === peerId)
      return fail(invalidField('peer_id', 'must be somebody else than initiator_id'));
    const found = await findParticipants(this.#db.kysely, [initiatorId, peerId]);
    const problem = checkMember(found, initiatorId, 'initiator_id') ?? checkMember(found, peerId, 'peer_id');
    if (problem) return fail(problem);
    const [initiator, peer] = [initiatorId, peerId].map((id) => found.find((one) => one.id === id)!);
    return ok({ ...directKind(initiator!, peer!), initiatorId, peerId, memberIds: [], metadata });
  }

  async #planGroup(request: SessionRequest & { kind: 'group' }): Promise<Result<NewSession>> {
    const { initiatorId, metadata } = request;
    const memberIds = [...new Set(request.memberIds)].filter((id) => id !== initiatorId);
    if (memberIds.length + 1 > this.#limits.maxGroupMembers) {
      return fail(
        invalidField('member_ids', `must not make more than ${this.#limits.maxGroupMembers} members`),
      );
    }
    const found = await findParticipants(this.#db.kysely, [initiatorId, ...memberIds]);
    const problem =
      checkMember(found, initiatorId, 'initiator_id') ??
      memberIds.map((id) => checkMember(found, id, 'member_ids')).find((one) => one !== null);
    if (problem) return fail(problem);
    return ok({ kind: 'group', initiatorId, peerId: null, agentId: null, memberIds, metadata });
  }
}

/** Why a participant cannot be in a new session, or null. */
export function checkMember(
  found: readonly Participant[],
  id: ParticipantId,
  field: string,
): WireError | null {
  const participant = found.find((one) => one.id === id);
  if (!participant) return invalidField(field, `${id} does not exist: PUT /api/participants/${id} first`);
  if (participant.status === 'disabled') return invalidField(field, `${id} is disabled`);
  if (participant.kind === 'system')
    return invalidField(field, `${id} is a system participant, never a member`);
  return null;
}
