import type { CallFailure } from '../call-failure.ts';

/** What becomes of a turn after a call that failed before anything was shown. */
export type AfterFailure =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'end'; readonly status: 'failed' | 'dead' };

export interface RetryPolicy {
  readonly maxAttempts: number;
  /** Before the second attempt, the third, …; the last one counts for all after it. */
  readonly backoffMs: readonly number[];
}

/** A turn whose call ends its node each time must not end all of them for ever. */
const maxAttemptsCutShort = 20;

/** So that turns that failed together do not come back together. */
const jitter = 0.2;

/**
 * Decides by the failure, the attempt's number (from 1), and a random number from 0 to 1. An endpoint that asks to
 * be left alone for longer is.
 */
export function decideAfterFailure(
  failure: CallFailure,
  attempt: number,
  { maxAttempts, backoffMs }: RetryPolicy,
  random: number,
): AfterFailure {
  if (!failure.retryable) return { kind: 'end', status: 'failed' };
  if (attempt >= maxAttempts) return { kind: 'end', status: 'dead' };
  const backoff = backoffMs[Math.min(attempt, backoffMs.length) - 1] ?? 0;
  const delayMs = Math.round(backoff * (1 + jitter * (2 * random - 1)));
  return { kind: 'retry', delayMs: Math.max(delayMs, failure.retryAfterMs ?? 0) };
}

/**
 * Whether an attempt (from 1) may be made at all. Those count that nobody saw the end of, their nodes are gone, so that
 * there may be more of them than the endpoint allows of failures.
 */
export function mayAttempt(attempt: number, { maxAttempts }: RetryPolicy): boolean {
  return attempt <= Math.max(maxAttempts, maxAttemptsCutShort);
}
