import { describe, expect, test } from 'vitest';
import { compare, failureRows, meetsTarget, type Row, ratioOf, type Target, timeRows } from '../src/row.ts';

const alone: Row = { what: 'until acknowledged', unit: 'ms', values: [2, 4, 9] };

function beside(values: number[], target?: Target): Row {
  return compare(alone, { name: 'a limit', values }, target);
}

describe('ratios', () => {
  test('alone there is none', () => {
    expect(ratioOf(alone)).toBeNull();
  });

  test('the middle one of the rounds, not that of the medians', () => {
    // 2/1, 4/8, 9/3: the medians alone, 4 and 3, would say 1.33.
    expect(ratioOf(beside([1, 8, 3]))).toBe(2);
  });
});

describe('targets', () => {
  test('none is neither met nor missed', () => {
    expect(meetsTarget(alone)).toBeNull();
    expect(meetsTarget(beside([1, 1, 1]))).toBeNull();
  });

  test.each([
    [{ atMost: 2 }, true],
    [{ atMost: 1.99 }, false],
    [{ atLeast: 2 }, true],
    [{ atLeast: 2.01 }, false],
  ])('%j of a ratio of 2: %s', (target, isMet) => {
    expect(meetsTarget(beside([1, 8, 3], target))).toBe(isMet);
  });

  test('of a row that stands alone it is about its value', () => {
    expect(meetsTarget({ ...alone, target: { atMost: 4 } })).toBe(true);
    expect(meetsTarget({ ...alone, target: { atMost: 3.9 } })).toBe(false);
  });

  test('what was not measured meets none', () => {
    expect(meetsTarget({ ...alone, values: [], target: { atLeast: 0 } })).toBe(false);
  });
});

describe('failures', () => {
  test('none: no row', () => {
    expect(failureRows('append', [{ failures: {} }, { failures: { overloaded: 0 } }])).toEqual([]);
  });

  test('each round has its sum, and the row all reasons', () => {
    const results = [{ failures: { overloaded: 2, closed: 1 } }, { failures: {} }];
    expect(failureRows('append', results)).toEqual([
      { what: 'append, failed: overloaded, closed', unit: 'failures', values: [3, 0] },
    ]);
  });
});

test('a row of each percentile', () => {
  const results = [{ p50: 1, p95: 2, p99: 3 }];
  expect(timeRows('wait', results, ['p50', 'p99'])).toEqual([
    { what: 'wait, p50', unit: 'ms', values: [1] },
    { what: 'wait, p99', unit: 'ms', values: [3] },
  ]);
});
