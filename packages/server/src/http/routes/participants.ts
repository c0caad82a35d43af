import {
  parseParticipantId,
  participantBodySchema,
  participantsQuerySchema,
  wireError,
} from '@fleetlm/protocol';
import type { Gateway } from '../../gateway/gateway.ts';
import type { ParticipantCalls } from '../../gateway/participant-calls.ts';
import { fail, type Result } from '../../lib/result.ts';
import { type ApiCall, type ApiReply, type ApiRoute, replyWith, withShape } from '../api-route.ts';

/** `/api/participants` */
export function participantRoutes({ participants }: Gateway): ApiRoute[] {
  return [
    { method: 'GET', path: '/participants', handle: (call) => listParticipants(participants, call) },
    { method: 'GET', path: '/participants/:id', handle: (call) => getParticipant(participants, call) },
    { method: 'PUT', path: '/participants/:id', handle: (call) => putParticipant(participants, call) },
  ];
}

function listParticipants(
  participants: ParticipantCalls,
  { principal, query }: ApiCall,
): Promise<Result<ApiReply>> {
  return withShape(participantsQuerySchema, query, (wanted) =>
    replyWith(participants.list(principal, wanted), ({ items, nextCursor }) => ({
      participants: items,
      next_cursor: nextCursor,
    })),
  );
}

function getParticipant(
  participants: ParticipantCalls,
  { principal, params }: ApiCall,
): Promise<Result<ApiReply>> {
  const id = parseParticipantId(params['id']);
  return replyWith(participants.get(principal, id), (participant) => ({ participant }));
}

async function putParticipant(
  participants: ParticipantCalls,
  { principal, params, body }: ApiCall,
): Promise<Result<ApiReply>> {
  const id = parseParticipantId(params['id']);
  if (id === null) return fail(wireError('participant_not_found', 'No participant can have such an id'));
  return withShape(participantBodySchema, body, (change) =>
    replyWith(participants.upsert(principal, id, change), (participant) => ({ participant })),
  );
}
