import { type ParticipantId, parseSessionId, readBodySchema } from '@fleetlm/protocol';
import type { Principal } from '../../auth/principal.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { invalidField } from '../../gateway/invalid-field.ts';
import { fail, type Result } from '../../lib/result.ts';
import { type ApiCall, type ApiReply, type ApiRoute, replyWith, withShape } from '../api-route.ts';

/** `/api/sessions/:id/read` */
export function readRoutes(gateway: Gateway): ApiRoute[] {
  return [{ method: 'POST', path: '/sessions/:id/read', handle: (call) => postRead(gateway, call) }];
}

function postRead(gateway: Gateway, { principal, params, body }: ApiCall): Promise<Result<ApiReply>> {
  const sessionId = parseSessionId(params['id']);
  return withShape(readBodySchema, body, async ({ participant_id, message_id: messageId, seq }) => {
    const participantId = participant_id ?? selfOf(principal);
    if (participantId === null) {
      return fail(invalidField('participant_id', 'is required: the service marks as read for a member'));
    }
    const marked = await gateway.messages.markRead(principal, sessionId, { participantId, messageId, seq });
    if (!marked.ok) return marked;
    return replyWith(gateway.sessions.get(principal, sessionId), (session) => ({ session }));
  });
}

function selfOf(principal: Principal): ParticipantId | null {
  return principal.kind === 'participant' ? principal.participantId : null;
}
