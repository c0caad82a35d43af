import { parseSessionId, readBodySchema, sessionReplySchema } from '@fleetlm/protocol';
import { apiRoute, replyWith } from '../api-route.ts';

const postRead = apiRoute({
  name: 'postRead',
  method: 'POST',
  path: '/sessions/:id/read',
  tag: 'messages',
  summary: 'Mark as read, up to a message or up to the end',
  body: readBodySchema,
  reply: sessionReplySchema,
  errors: ['session_not_found', 'not_a_member'],
  handle: async ({ reads, sessions }, { principal, params, body }) => {
    const sessionId = parseSessionId(params['id']);
    const { participant_id: named, message_id: messageId, seq } = body;
    const marked = await reads.mark(principal, sessionId, { named, messageId, seq });
    if (!marked.ok) return marked;
    return replyWith(sessions.get(principal, sessionId), (session) => ({ session }));
  },
});

/** `/api/sessions/:id/read` */
export const readRoutes = [postRead];
