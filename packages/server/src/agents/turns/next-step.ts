import type { TurnEnd } from '../../observability/labels.ts';
import type { Termination } from '../../streams/termination.ts';
import type { CallFailure } from '../call-failure.ts';

/** What becomes of a turn after a call that failed before anything was shown. */
export type NextStep =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'end'; readonly status: 'failed' | 'dead' };

export interface RetryPolicy {
  readonly maxAttempts: number;
  /** Before the second attempt, the third, …; the last one counts for all after it. */
  readonly backoffMs: readonly number[];
}

/** So that turns that failed together do not come back together. */
const jitter = 0.2;

/**
 * Decides by the failure, the attempt's number (from 1), and a random number from 0 to 1. An endpoint that asks to
 * be left alone for longer is.
 */
export function decideNextStep(
  failure: CallFailure,
  attempt: number,
  { maxAttempts, backoffMs }: RetryPolicy,
  random: number,
): NextStep {
  if (!failure.retryable) return { kind: 'end', status: 'failed' };
  if (attempt >= maxAttempts) return { kind: 'end', status: 'dead' };
  const backoff = backoffMs[Math.min(attempt, backoffMs.length) - 1] ?? 0;
  const delayMs = Math.round(backoff * (1 + jitter * (2 * random - 1)));
  return { kind: 'retry', delayMs: Math.max(delayMs, failure.retryAfterMs ?? 0) };
}

/** How a stream ends that no chunk of its agent ended. */
export function terminationAfter(failure: CallFailure | null): Termination {
  if (failure === null) return 'finish';
  return failure.reason === 'connection_lost' ? 'interrupted' : 'error';
}

/** What a stream's end means for its turn. */
export function turnEndOf(termination: Termination): TurnEnd {
  switch (termination) {
    case 'finish':
      return 'completed';
    case 'stopped':
      return 'stopped';
    case 'interrupted':
    case 'error':
      return 'failed';
  }
}
