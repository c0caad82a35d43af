import { memberBodySchema, parseParticipantId, parseSessionId, wireError } from '@fleetlm/protocol';
import type { Gateway } from '../../gateway/gateway.ts';
import type { MemberCalls } from '../../gateway/member-calls.ts';
import { fail, type Result } from '../../lib/result.ts';
import { type ApiCall, type ApiReply, type ApiRoute, replyWith, withShape } from '../api-route.ts';

/** `/api/sessions/:id/members` */
export function memberRoutes({ members }: Gateway): ApiRoute[] {
  const path = '/sessions/:id/members';
  const memberPath = '/sessions/:id/members/:participant_id';
  return [
    { method: 'GET', path, handle: (call) => listMembers(members, call) },
    { method: 'PUT', path: memberPath, handle: (call) => putMember(members, call) },
    { method: 'DELETE', path: memberPath, handle: (call) => deleteMember(members, call) },
  ];
}

function listMembers(calls: MemberCalls, { principal, params }: ApiCall): Promise<Result<ApiReply>> {
  return replyWith(calls.list(principal, parseSessionId(params['id'])), (members) => ({ members }));
}

async function putMember(
  calls: MemberCalls,
  { principal, params, body }: ApiCall,
): Promise<Result<ApiReply>> {
  const sessionId = parseSessionId(params['id']);
  const participantId = parseParticipantId(params['participant_id']);
  if (participantId === null) return fail(wireError('participant_not_found'));
  return withShape(memberBodySchema, body, ({ wake }) =>
    replyWith(calls.add(principal, sessionId, participantId, wake), (members) => ({ members })),
  );
}

async function deleteMember(calls: MemberCalls, { principal, params }: ApiCall): Promise<Result<ApiReply>> {
  const sessionId = parseSessionId(params['id']);
  const participantId = parseParticipantId(params['participant_id']);
  if (participantId === null) return fail(wireError('participant_not_found'));
  return replyWith(calls.remove(principal, sessionId, participantId), (members) => ({ members }));
}
