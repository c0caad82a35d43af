import type { Entry } from '../../case.ts';

/** What is wrong with calls of agents: of their endpoints and turns. */
export const agentErrors = {
  endpoint_not_found: [],
  turn_not_found: [],
  turn_pending: [],
  turn_running: [],
  url_not_allowed: [],
} satisfies Record<string, readonly Entry[]>;
