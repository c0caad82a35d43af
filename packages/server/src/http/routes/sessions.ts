import {
  parseSessionId,
  sessionBodySchema,
  sessionChangeBodySchema,
  sessionReplySchema,
  sessionsQuerySchema,
  sessionsReplySchema,
} from '@fleetlm/protocol';
import type { z } from 'zod';
import type { SessionRequest } from '../../gateway/session-calls.ts';
import { apiRoute, replyWith } from '../api-route.ts';

const postSession = apiRoute({
  name: 'postSession',
  method: 'POST',
  path: '/sessions',
  tag: 'sessions',
  summary: 'Start a direct session, or a group',
  body: sessionBodySchema,
  reply: sessionReplySchema,
  status: 201,
  errors: [],
  handle: ({ sessions }, { principal, body }) =>
    replyWith(sessions.create(principal, toRequest(body)), (session) => ({ session })),
});

const listSessions = apiRoute({
  name: 'listSessions',
  method: 'GET',
  path: '/sessions',
  tag: 'sessions',
  summary: 'List sessions, newest first; a participant: its own. Archived ones only by `status=archived`',
  query: sessionsQuerySchema,
  reply: sessionsReplySchema,
  errors: [],
  handle: ({ sessions }, { principal, query: { participant_id: participantId, ...wanted } }) =>
    replyWith(sessions.list(principal, { ...wanted, participantId }), ({ items, nextCursor }) => ({
      sessions: items,
      next_cursor: nextCursor,
    })),
});

const getSession = apiRoute({
  name: 'getSession',
  method: 'GET',
  path: '/sessions/:id',
  tag: 'sessions',
  summary: 'Read a session',
  reply: sessionReplySchema,
  errors: ['session_not_found'],
  handle: ({ sessions }, { principal, params }) =>
    replyWith(sessions.get(principal, parseSessionId(params['id'])), (session) => ({ session })),
});

const patchSession = apiRoute({
  name: 'patchSession',
  method: 'PATCH',
  path: '/sessions/:id',
  tag: 'sessions',
  summary: 'Close, archive or reopen a session; replace its metadata',
  body: sessionChangeBodySchema,
  reply: sessionReplySchema,
  errors: ['session_not_found'],
  handle: ({ sessions }, { principal, params, body }) =>
    replyWith(sessions.change(principal, parseSessionId(params['id']), body), (session) => ({ session })),
});

/** `/api/sessions` */
export const sessionRoutes = [postSession, listSessions, getSession, patchSession];

function toRequest(body: z.infer<typeof sessionBodySchema>): SessionRequest {
  const { initiator_id: initiatorId, metadata } = body;
  if (body.kind === 'group') return { kind: 'group', initiatorId, memberIds: body.member_ids, metadata };
  return { kind: 'direct', initiatorId, peerId: body.peer_id, metadata };
}
