import { describe, expect, test } from 'vitest';
import { type LoadSample, type LoadState, nextLoad, unloaded } from '../../src/runtime/load-state.ts';

const limits = { maxLagMs: 200, maxMemoryBytes: 1_000, maxHeapBytes: 1_000 };
const calm: LoadSample = { lagMs: 1, residentBytes: 500, usedBytes: 100, heapBytes: 50 };
const late = { ...calm, lagMs: 201 };
const halfLate = { ...calm, lagMs: 101 };
const big = { ...calm, residentBytes: 1_001, usedBytes: 501 };

function after(samples: readonly LoadSample[], from: LoadState = unloaded): (string | null)[] {
  let state = from;
  return samples.map((sample) => {
    state = nextLoad(state, sample, limits);
    return state.reason;
  });
}

describe('a free node', () => {
  test.each([
    ['calm', [calm, calm, calm], [null, null, null]],
    ['late once', [late, calm, late, calm], [null, null, null, null]],
    ['late twice in a row', [late, late], [null, 'lag']],
    ['half late', [halfLate, halfLate, halfLate], [null, null, null]],
    ['short of memory', [big, big], [null, 'memory']],
    [
      'memory that is kept, not used',
      [
        { ...big, usedBytes: 500 },
        { ...big, usedBytes: 500 },
      ],
      [null, null],
    ],
    [
      'a heap near its end',
      [
        { ...calm, heapBytes: 851 },
        { ...calm, heapBytes: 851 },
      ],
      [null, 'memory'],
    ],
  ])('%s', (_name, samples, reasons) => {
    expect(after(samples)).toEqual(reasons);
  });
});

describe('a full node', () => {
  const full: LoadState = { reason: 'lag', streak: 0 };

  test.each([
    ['is free after four good samples', [calm, calm, calm, calm], ['lag', 'lag', 'lag', null]],
    ['not before', [calm, calm, calm, late, calm], ['lag', 'lag', 'lag', 'lag', 'lag']],
    ['and not while half late', [halfLate, halfLate, halfLate, halfLate], ['lag', 'lag', 'lag', 'lag']],
    ['says the newest reason', [big], ['memory']],
  ])('%s', (_name, samples, reasons) => {
    expect(after(samples, full)).toEqual(reasons);
  });
});
