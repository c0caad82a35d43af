import { inboxQuerySchema, inboxReplySchema, parseParticipantId } from '@fleetlm/protocol';
import { apiRoute, replyWith } from '../api-route.ts';

const getInbox = apiRoute({
  name: 'getInbox',
  method: 'GET',
  path: '/participants/:id/inbox',
  tag: 'inbox',
  summary: 'Read a page of a participant’s inbox, the newest activity first',
  query: inboxQuerySchema,
  reply: inboxReplySchema,
  errors: ['participant_not_found'],
  handle: ({ inboxes }, { principal, params, query }) =>
    replyWith(inboxes.page(principal, parseParticipantId(params['id']), query), ({ items, nextCursor }) => ({
      conversations: items,
      next_cursor: nextCursor,
    })),
});

/** `/api/participants/:id/inbox` */
export const inboxRoutes = [getInbox];
