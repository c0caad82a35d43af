import { setTimeout as delay } from 'node:timers/promises';

/** Starting takes about 40 ms and stopping 15: 10 ms adds little to either and costs one small read. */
const intervalMs = 10;

/** Asks until the answer is yes; false when the time is over. Postgres offers no event to wait for. */
export async function poll(condition: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) return false;
    await delay(intervalMs);
  }
  return true;
}
