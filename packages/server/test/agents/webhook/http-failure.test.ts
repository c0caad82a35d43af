import { describe, expect, test } from 'vitest';
import { failureOfError, findRefusal } from '../../../src/agents/webhook/http-failure.ts';
import { toExcerpt } from '../../../src/agents/webhook/response-excerpt.ts';
import { parseRetryAfter } from '../../../src/agents/webhook/retry-after.ts';

const nowMs = Date.parse('Sun, 06 Nov 1994 08:49:37 GMT');
const hourMs = 3_600_000;

describe('a status', () => {
  test.each([
    [200, null, false],
    [201, null, false],
    [202, null, false],
    [204, null, false],
    [301, 'redirected', false],
    [302, 'redirected', false],
    [303, 'redirected', false],
    [304, 'redirected', false],
    [307, 'redirected', false],
    [308, 'redirected', false],
    [400, 'refused', false],
    [401, 'refused', false],
    [404, 'refused', false],
    [408, 'request_timeout', true],
    [409, 'refused', false],
    [410, 'gone', false],
    [418, 'refused', false],
    [429, 'rate_limited', true],
    [499, 'refused', false],
    [500, 'server_error', true],
    [502, 'server_error', true],
    [503, 'server_error', true],
    [599, 'server_error', true],
    [600, 'invalid_http', true],
    [999, 'invalid_http', true],
  ])('%i means %s, retryable: %s', (statusCode, reason, retryable) => {
    const failure = findRefusal({ statusCode, headers: {} }, nowMs);
    expect(failure?.reason ?? null).toBe(reason);
    expect(failure?.retryable ?? false).toBe(retryable);
    if (failure !== null) expect(failure.status).toBe(statusCode);
  });

  test.each(['gzip', 'br', 'deflate', 'GZIP', 'gzip, gzip', 'unknown'])(
    '200 encoded as %s is refused',
    (encoding) => {
      const refusal = findRefusal({ statusCode: 200, headers: { 'content-encoding': encoding } }, nowMs);
      expect(refusal).toMatchObject({ reason: 'encoded', retryable: false });
    },
  );

  test.each(['', 'identity', ' Identity '])('200 encoded as %j is not encoded', (encoding) => {
    expect(findRefusal({ statusCode: 200, headers: { 'content-encoding': encoding } }, nowMs)).toBeNull();
  });
});

describe('Retry-After', () => {
  test.each([
    ['0', 0],
    ['7', 7_000],
    ['007', 7_000],
    ['3600', hourMs],
    ['3601', hourMs],
    ['999999999', hourMs],
    ['Sun, 06 Nov 1994 08:49:47 GMT', 10_000],
    ['Sun, 06 Nov 1994 08:49:00 GMT', 0],
    ['Fri, 31 Dec 1999 23:59:59 GMT', hourMs],
    ['Xyz, 99 Abc 1994 08:49:37 GMT', undefined],
    ['9999999999', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    ['soon', undefined],
    ['', undefined],
    ['1994-11-06', undefined],
    [undefined, undefined],
  ])('%j waits %s ms', (text, waitMs) => {
    expect(parseRetryAfter(text, nowMs)).toBe(waitMs);
  });
});

test('errors of the parser and of the connection', () => {
  const reasonOf = (code: string) => failureOfError(Object.assign(new Error('x'), { code })).reason;
  expect(reasonOf('HPE_HEADER_OVERFLOW')).toBe('headers_too_large');
  expect(reasonOf('HPE_INVALID_CONSTANT')).toBe('invalid_http');
  expect(reasonOf('ECONNRESET')).toBe('connection_lost');
  expect(failureOfError(new Error('aborted'))).toMatchObject({
    reason: 'connection_lost',
    detail: 'aborted',
  });
});

describe('an excerpt', () => {
  test.each([
    ['plain text', 'plain text'],
    ['two\r\n  lines\tand more ', 'two lines and more'],
    ['\u001b[31mred\u0000\u0007', '[31mred'],
    ['right\u202eto\u2066left\u2028line', 'right to left line'],
    ['zero\u200bwidth\ufeff', 'zero width'],
    ['Grüße 👋', 'Grüße 👋'],
  ])('of %j is %j', (text, excerpt) => {
    expect(toExcerpt(Buffer.from(text))).toBe(excerpt);
  });

  test('is bounded, and of bytes that are no text nothing is left', () => {
    expect(toExcerpt(Buffer.alloc(1 << 20, 'x')).length).toBe(1_024);
    expect(toExcerpt(Buffer.from([0xff, 0xfe, 0x00, 0x80]))).toBe('');
  });
});
