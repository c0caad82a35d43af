import type { ApiRoute } from '../api-route.ts';
import { agentRoutes } from './agents.ts';
import { inboxRoutes } from './inbox.ts';
import { memberRoutes } from './members.ts';
import { messageRoutes } from './messages.ts';
import { participantRoutes } from './participants.ts';
import { readRoutes } from './read.ts';
import { sessionRoutes } from './sessions.ts';
import { streamStateRoutes } from './streams.ts';

/** Every call below `/api` with JSON in and out, as it is served and as it is documented. */
export const apiRoutes: readonly ApiRoute[] = [
  ...participantRoutes,
  ...sessionRoutes,
  ...memberRoutes,
  ...messageRoutes,
  ...readRoutes,
  ...streamStateRoutes,
  ...inboxRoutes,
  ...agentRoutes,
];
