import { setTimeout as sleep } from 'node:timers/promises';
import { classifyFailure } from '../../conversation/append/failure.ts';
import type { Log } from '../../lib/log.ts';

/** As soon as Postgres is back, but a node's turns must not keep it down. */
const delaysMs = [100, 250, 500, 1_000, 2_000];

/**
 * Does something with Postgres again and again until it has succeeded: an agent's answer is not lost to a restart
 * of the database. Rejects with the signal's reason once nobody waits any more: when the turn is lost to another
 * node, or this one ends.
 */
export async function persist<T>(work: () => Promise<T>, signal: AbortSignal, log: Log): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      // What Postgres refuses for its data it refuses for ever.
      if (classifyFailure(error) === 'bad_data') throw error;
      log.warn({ err: error, attempt }, 'a turn cannot reach Postgres, trying again');
      await sleep(persistDelayMs(attempt), undefined, { signal });
    }
  }
}

/** How long to wait after so many attempts. */
export function persistDelayMs(attempt: number): number {
  return delaysMs[Math.min(attempt, delaysMs.length - 1)]!;
}
