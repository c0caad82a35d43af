import { describe, expect, test } from 'vitest';
import { callFailure, type FailureReason } from '../../../src/agents/call-failure.ts';
import { decideAfterFailure, mayAttempt } from '../../../src/agents/turns/after-failure.ts';

const policy = { maxAttempts: 4, backoffMs: [1_000, 5_000, 15_000] };
const middle = 0.5;

const afterFirst: Record<FailureReason, 'retry' | 'failed'> = {
  url_not_allowed: 'failed',
  address_not_allowed: 'failed',
  name_not_found: 'retry',
  connect_failed: 'retry',
  connect_timeout: 'retry',
  tls_failed: 'retry',
  connection_lost: 'retry',
  invalid_http: 'retry',
  first_chunk_timeout: 'retry',
  idle_timeout: 'retry',
  duration_exceeded: 'failed',
  headers_too_large: 'failed',
  redirected: 'failed',
  rate_limited: 'retry',
  request_timeout: 'retry',
  server_error: 'retry',
  refused: 'failed',
  gone: 'failed',
  encoded: 'failed',
  unknown_content_type: 'failed',
  invalid_answer: 'failed',
  answer_too_large: 'failed',
  line_too_large: 'failed',
  too_many_chunks: 'failed',
  aborted: 'failed',
};

describe('after a call that failed before anything was shown', () => {
  test.each(Object.entries(afterFirst))('%s: %s', (reason, expected) => {
    const step = decideAfterFailure(callFailure(reason as FailureReason, ''), 1, policy, middle);
    expect(step.kind === 'retry' ? 'retry' : step.status).toBe(expected);
  });

  test.each([
    [1, { kind: 'retry', delayMs: 1_000 }],
    [2, { kind: 'retry', delayMs: 5_000 }],
    [3, { kind: 'retry', delayMs: 15_000 }],
    [4, { kind: 'end', status: 'dead' }],
    [5, { kind: 'end', status: 'dead' }],
  ])('attempt %i: %o', (attempt, expected) => {
    expect(decideAfterFailure(callFailure('server_error', ''), attempt, policy, middle)).toEqual(expected);
  });

  test('the last wait counts for all further attempts', () => {
    const step = decideAfterFailure(
      callFailure('server_error', ''),
      7,
      { ...policy, maxAttempts: 9 },
      middle,
    );
    expect(step).toEqual({ kind: 'retry', delayMs: 15_000 });
  });

  test.each([
    [0, 800],
    [0.999999, 1_200],
  ])('waits differ by a fifth: %d gives %d ms', (random, delayMs) => {
    expect(decideAfterFailure(callFailure('server_error', ''), 1, policy, random)).toEqual({
      kind: 'retry',
      delayMs,
    });
  });

  test.each([
    [60_000, 60_000],
    [10, 1_000],
  ])('an endpoint that asks for %d ms is left alone for %d ms', (retryAfterMs, delayMs) => {
    const failure = callFailure('rate_limited', '', { status: 429, retryAfterMs });
    expect(decideAfterFailure(failure, 1, policy, middle)).toEqual({ kind: 'retry', delayMs });
  });
});

test.each([
  [1, 20, true],
  [1, 21, false],
  [30, 21, true],
  [30, 31, false],
])('of an endpoint with %d attempts, one of number %d: %o', (maxAttempts, attempt, expected) => {
  expect(mayAttempt(attempt, { ...policy, maxAttempts })).toBe(expected);
});
