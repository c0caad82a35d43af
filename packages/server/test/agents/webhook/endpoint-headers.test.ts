import { describe, expect, test } from 'vitest';
import { findHeaderProblem } from '../../../src/agents/webhook/endpoint-headers.ts';

describe('headers of an endpoint', () => {
  test.each([
    [{}],
    [{ authorization: 'Bearer abc', 'X-Api-Key': 'k', cookie: 'a=b; c=d', 'x-empty': '' }],
    [{ 'x-tab': 'a\tb' }],
  ])('%j may be set', (headers) => {
    expect(findHeaderProblem(headers)).toBeNull();
  });

  test.each([
    'Host',
    'content-length',
    'Content-Type',
    'content-encoding',
    'Transfer-Encoding',
    'connection',
    'keep-alive',
    'upgrade',
    'te',
    'trailer',
    'expect',
    'accept-encoding',
    'proxy-authorization',
    'webhook-id',
    'Webhook-Signature',
    'traceparent',
    'user-agent',
    'x-forwarded-for',
  ])('%s may not', (name) => {
    expect(findHeaderProblem({ [name]: 'x' })).toBe(`must not set ${name.toLowerCase()}`);
  });

  test.each([
    ['', 'has a name that no header can have'],
    ['x y', 'has a name that no header can have'],
    ['x:', 'has a name that no header can have'],
    ['x\r\nhost', 'has a name that no header can have'],
    ['ſet', 'has a name that no header can have'],
  ])('a name like %j cannot', (name, problem) => {
    expect(findHeaderProblem({ [name]: 'x' })).toBe(problem);
  });

  test.each(['a\r\nb: c', 'a\nb', 'a\0b', 'ü', '\u007f'])('a value like %j cannot', (value) => {
    expect(findHeaderProblem({ 'x-a': value })).toBe('has a value for x-a that is not printable ASCII');
  });

  test('not too many, not too long, none twice', () => {
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`x-${index}`, '1']));
    expect(findHeaderProblem(many)).toBe('must be at most 32 headers');
    expect(findHeaderProblem({ 'x-a': 'x'.repeat(8_192) })).toBe('must be at most 8192 bytes together');
    expect(findHeaderProblem({ 'X-A': '1', 'x-a': '2' })).toBe('has x-a twice');
  });
});
