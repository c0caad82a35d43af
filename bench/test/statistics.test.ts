import { expect, test } from 'vitest';
import { median, percentiles } from '../src/statistics.ts';

test.each([
  [[3], 3],
  [[9, 1, 5], 5],
  [[10, 9, 1, 2], 5.5],
  [[100, 9], 54.5],
])('the median of %j is %d', (values, expected) => {
  expect(median(values)).toBe(expected);
});

test('of nothing there is no median', () => {
  expect(median([])).toBeNaN();
  expect(percentiles([])).toEqual({ p50: NaN, p95: NaN, p99: NaN });
});

test('percentiles go by number, not by text, and leave the values as they are', () => {
  const values = Array.from({ length: 100 }, (_, n) => 100 - n);
  expect(percentiles(values)).toEqual({ p50: 51, p95: 96, p99: 100 });
  expect(values[0]).toBe(100);
  expect(percentiles([7])).toEqual({ p50: 7, p95: 7, p99: 7 });
});
