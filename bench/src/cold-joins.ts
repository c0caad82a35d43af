import type { ClosedLoopResult } from './load/closed-loop.ts';
import type { OwnServer } from './own-server.ts';

/**
 * The environment of a server that keeps no session in memory once it is left. Whoever joins then finds it
 * cold; with the defaults there would have to be more sessions than a server keeps.
 */
export const forgetful = { FLEETLM_SESSION_IDLE_MS: '1', FLEETLM_CACHE_BYTES: '1' };

/** Some joins of a forgetful server; those that found their session in memory count as failures. */
export async function requireCold<Result extends ClosedLoopResult>(
  server: OwnServer,
  join: () => Promise<Result>,
): Promise<Result> {
  const before = await countLoaded(server);
  const result = await join();
  const warm = result.count - ((await countLoaded(server)) - before);
  return warm <= 0 ? result : { ...result, failures: { ...result.failures, 'not cold': warm } };
}

/** How often the messages of a session were read before somebody could join it. */
function countLoaded(server: OwnServer): Promise<number> {
  return server.metric('fleetlm_cache_misses_total{cache="session_kept"}');
}
