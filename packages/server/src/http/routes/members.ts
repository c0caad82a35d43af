import {
  type Member,
  memberBodySchema,
  membersReplySchema,
  parseParticipantId,
  parseSessionId,
  wireError,
} from '@fleetlm/protocol';
import { fail } from '../../lib/result.ts';
import { apiRoute, replyWith } from '../api-route.ts';

const path = '/sessions/:id/members';
const memberPath = '/sessions/:id/members/:participant_id';

const listMembers = apiRoute({
  name: 'listMembers',
  method: 'GET',
  path,
  tag: 'members',
  summary: 'List the members of a session',
  reply: membersReplySchema,
  errors: ['session_not_found'],
  handle: ({ members }, { principal, params }) =>
    replyWith(members.list(principal, parseSessionId(params['id'])), toReply),
});

const putMember = apiRoute({
  name: 'putMember',
  method: 'PUT',
  path: memberPath,
  tag: 'members',
  summary: 'Add a member to a group, again if it has left',
  body: memberBodySchema,
  reply: membersReplySchema,
  errors: ['session_not_found', 'participant_not_found', 'not_a_group'],
  handle: async ({ members }, { principal, params, body: { wake } }) => {
    const sessionId = parseSessionId(params['id']);
    const participantId = parseParticipantId(params['participant_id']);
    if (participantId === null) return fail(wireError('participant_not_found'));
    return replyWith(members.add(principal, sessionId, participantId, wake), toReply);
  },
});

const deleteMember = apiRoute({
  name: 'deleteMember',
  method: 'DELETE',
  path: memberPath,
  tag: 'members',
  summary: 'Remove a member from a group; anyone may leave',
  reply: membersReplySchema,
  errors: ['session_not_found', 'participant_not_found', 'not_a_group'],
  handle: async ({ members }, { principal, params }) => {
    const sessionId = parseSessionId(params['id']);
    const participantId = parseParticipantId(params['participant_id']);
    if (participantId === null) return fail(wireError('participant_not_found'));
    return replyWith(members.remove(principal, sessionId, participantId), toReply);
  },
});

/** `/api/sessions/:id/members` */
export const memberRoutes = [listMembers, putMember, deleteMember];

function toReply(members: readonly Member[]): object {
  return { members };
}
