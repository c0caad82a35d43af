import { inboxQuerySchema, parseParticipantId } from '@fleetlm/protocol';
import type { Gateway } from '../../gateway/gateway.ts';
import { type ApiRoute, replyWith, withShape } from '../api-route.ts';

/** `/api/participants/:id/inbox` */
export function inboxRoutes({ inboxes }: Gateway): ApiRoute[] {
  const handle: ApiRoute['handle'] = ({ principal, params, query }) =>
    withShape(inboxQuerySchema, query, (wanted) =>
      replyWith(
        inboxes.page(principal, parseParticipantId(params['id']), wanted),
        ({ items, nextCursor }) => ({
          conversations: items,
          next_cursor: nextCursor,
        }),
      ),
    );
  return [{ method: 'GET', path: '/participants/:id/inbox', handle }];
}
