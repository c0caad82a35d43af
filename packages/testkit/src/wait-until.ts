import { setTimeout as delay } from 'node:timers/promises';

export interface WaitOptions {
  /** What is waited for, for the error. */
  readonly what?: string;
  readonly timeoutMs?: number;
}

/** Waits until `condition` returns something truthy, and returns that. Throws when it takes too long. */
export async function waitUntil<T>(
  condition: () => T | Promise<T>,
  { what = condition.toString(), timeoutMs = 5_000 }: WaitOptions = {},
): Promise<Exclude<T, false | null | undefined>> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value as Exclude<T, false | null | undefined>;
    if (performance.now() > deadlineMs) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await delay(2);
  }
}
