import { describe, expect, test } from 'vitest';
import { type ErrorCode, errorTable, toErrorReply, wireError } from '../src/errors.ts';

/** Written out once more: a code, its status and whether to retry are the contract, so a change is deliberate. */
const contract: Record<ErrorCode, [status: number, retryable: boolean]> = {
  invalid_json: [400, false],
  bad_request: [400, false],
  unauthorized: [401, false],
  forbidden: [403, false],
  participant_disabled: [403, false],
  not_found: [404, false],
  session_not_found: [404, false],
  participant_not_found: [404, false],
  endpoint_not_found: [404, false],
  turn_not_found: [404, false],
  turn_pending: [409, true],
  turn_running: [409, true],
  client_id_conflict: [409, false],
  session_closed: [409, false],
  payload_too_large: [413, false],
  unsupported_media_type: [415, false],
  invalid_request: [422, false],
  url_not_allowed: [422, false],
  not_a_member: [422, false],
  not_a_group: [422, false],
  rate_limited: [429, true],
  internal_error: [500, true],
  overloaded: [503, true],
  draining: [503, true],
  outcome_unknown: [504, true],
  unknown_event: [400, false],
  binary_unsupported: [400, false],
};

describe('the table of errors', () => {
  test('codes, statuses and retries', () => {
    const table = Object.entries(errorTable).map(([code, { status, retryable }]) => [
      code,
      [status, retryable],
    ]);
    expect(Object.fromEntries(table)).toEqual(contract);
  });

  test.each(Object.entries(errorTable))('%s reads as a sentence of its own', (code, { title, status }) => {
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(title).toMatch(/^[A-Z][^.]+$/);
    expect(status).toBeGreaterThanOrEqual(400);
  });
});

test('without a detail the title tells what happened', () => {
  expect(wireError('forbidden')).toEqual({ code: 'forbidden', detail: 'You may not do this' });
});

test('the form of a channel reply', () => {
  expect(toErrorReply(wireError('overloaded', 'Wait'))).toEqual({
    reason: 'overloaded',
    message: 'Wait',
    retryable: true,
  });
  const errors = { limit: ['must be at least 1'] };
  expect(toErrorReply(wireError('invalid_request', 'limit must be at least 1', errors))).toEqual({
    reason: 'invalid_request',
    message: 'limit must be at least 1',
    retryable: false,
    errors,
  });
});
