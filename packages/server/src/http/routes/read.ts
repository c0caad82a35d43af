import { parseSessionId, readBodySchema } from '@fleetlm/protocol';
import type { Gateway } from '../../gateway/gateway.ts';
import type { Result } from '../../lib/result.ts';
import { type ApiCall, type ApiReply, type ApiRoute, replyWith, withShape } from '../api-route.ts';

/** `/api/sessions/:id/read` */
export function readRoutes(gateway: Gateway): ApiRoute[] {
  return [{ method: 'POST', path: '/sessions/:id/read', handle: (call) => postRead(gateway, call) }];
}

function postRead(gateway: Gateway, { principal, params, body }: ApiCall): Promise<Result<ApiReply>> {
  const sessionId = parseSessionId(params['id']);
  return withShape(readBodySchema, body, async ({ participant_id: named, message_id: messageId, seq }) => {
    const marked = await gateway.reads.mark(principal, sessionId, { named, messageId, seq });
    if (!marked.ok) return marked;
    return replyWith(gateway.sessions.get(principal, sessionId), (session) => ({ session }));
  });
}
