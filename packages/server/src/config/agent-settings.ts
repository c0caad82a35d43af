import { isDevelopment } from './auth-settings.ts';
import type { Values } from './variables.ts';

/** Whom agents' calls may reach, and how many there may be. */
export function readAgents(values: Values) {
  return {
    guard: {
      allowLoopback: values.FLEETLM_AGENT_ALLOW_LOOPBACK ?? isDevelopment(values),
      allowedRanges: values.FLEETLM_AGENT_ALLOWED_CIDRS,
    },
    /** Of one agent, on this node. */
    maxTurnsPerAgent: values.FLEETLM_AGENT_CONCURRENCY,
    maxTurns: values.FLEETLM_TURNS_MAX,
    deliveryLogDays: values.FLEETLM_DELIVERY_LOG_DAYS,
  };
}
