import {
  directSessionBodySchema,
  groupSessionBodySchema,
  isJsonObject,
  parseSessionId,
  sessionChangeBodySchema,
  sessionsQuerySchema,
} from '@fleetlm/protocol';
import type { Principal } from '../../auth/principal.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import type { SessionCalls, SessionRequest } from '../../gateway/session-calls.ts';
import type { Result } from '../../lib/result.ts';
import { type ApiCall, type ApiReply, type ApiRoute, replyWith, withShape } from '../api-route.ts';

/** `/api/sessions` */
export function sessionRoutes({ sessions }: Gateway): ApiRoute[] {
  return [
    { method: 'POST', path: '/sessions', handle: (call) => postSession(sessions, call) },
    { method: 'GET', path: '/sessions', handle: (call) => listSessions(sessions, call) },
    { method: 'GET', path: '/sessions/:id', handle: (call) => getSession(sessions, call) },
    { method: 'PATCH', path: '/sessions/:id', handle: (call) => patchSession(sessions, call) },
  ];
}

function postSession(sessions: SessionCalls, { principal, body }: ApiCall): Promise<Result<ApiReply>> {
  // Two shapes rather than a union, so that each bad field is named as its kind of session has it.
  if (isJsonObject(body) && body['kind'] === 'group') {
    return withShape(groupSessionBodySchema, body, ({ initiator_id, member_ids, metadata }) =>
      createSession(sessions, principal, {
        kind: 'group',
        initiatorId: initiator_id,
        memberIds: member_ids,
        metadata,
      }),
    );
  }
  return withShape(directSessionBodySchema, body, ({ initiator_id, peer_id, metadata }) =>
    createSession(sessions, principal, {
      kind: 'direct',
      initiatorId: initiator_id,
      peerId: peer_id,
      metadata,
    }),
  );
}

function createSession(
  sessions: SessionCalls,
  principal: Principal,
  request: SessionRequest,
): Promise<Result<ApiReply>> {
  return replyWith(sessions.create(principal, request), (session) => ({ session }), 201);
}

function listSessions(sessions: SessionCalls, { principal, query }: ApiCall): Promise<Result<ApiReply>> {
  return withShape(sessionsQuerySchema, query, ({ participant_id: participantId, ...wanted }) =>
    replyWith(sessions.list(principal, { ...wanted, participantId }), ({ items, nextCursor }) => ({
      sessions: items,
      next_cursor: nextCursor,
    })),
  );
}

function getSession(sessions: SessionCalls, { principal, params }: ApiCall): Promise<Result<ApiReply>> {
  return replyWith(sessions.get(principal, parseSessionId(params['id'])), (session) => ({ session }));
}

function patchSession(
  sessions: SessionCalls,
  { principal, params, body }: ApiCall,
): Promise<Result<ApiReply>> {
  const id = parseSessionId(params['id']);
  return withShape(sessionChangeBodySchema, body, (change) =>
    replyWith(sessions.change(principal, id, change), (session) => ({ session })),
  );
}
