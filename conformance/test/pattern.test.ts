import { expect, test } from 'vitest';
import { check, Mismatch } from '../src/mismatch.ts';
import { anything, fits, holding, oneOf } from '../src/pattern.ts';

test.each([
  [
    [null, '1', { a: 1 }],
    [null, '1', { a: 1 }],
  ],
  [
    [anything, oneOf(null, '3')],
    [{ b: [] }, '3'],
  ],
  [holding({ a: holding({ b: 1 }) }), { a: { b: 1, c: 2 }, d: 3 }],
  [holding({ a: undefined }), { b: 1 }],
  [JSON.parse('{"__proto__":1}'), JSON.parse('{"__proto__":1}')],
])('%j fits %j', (expected, seen) => {
  expect(fits(expected, seen)).toBe(true);
});

test.each([
  [
    [null, '1'],
    [null, '1', 'more'],
  ],
  [
    [null, '1', 'more'],
    [null, '1'],
  ],
  ['3', 3],
  [{ a: 1 }, { a: 1, b: 2 }],
  [{ a: 1 }, { b: 1 }],
  [{}, []],
  [[], {}],
  [{}, null],
  [holding({ a: 1 }), { a: 2 }],
  [holding({ a: 1 }), null],
  [oneOf(null, '3'), 3],
  [JSON.parse('{"__proto__":1}'), {}],
])('%j does not fit %j', (expected, seen) => {
  expect(fits(expected, seen)).toBe(false);
});

test('a mismatch tells both sides, patterns too', () => {
  const expected = ['3', holding({ status: 'ok' }), anything];
  expect(() => check(['3', { status: 'error' }, 1], expected)).toThrow(Mismatch);
  expect(() => check(['3', { status: 'error' }, 1], expected)).toThrow(
    'expected ["3",{"status":"ok","…":"…"},"…"]\n    seen ["3",{"status":"error"},1]',
  );
});
