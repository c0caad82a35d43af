import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KeyedRate } from '../../src/runtime/keyed-rate.ts';
import { TokenBucket } from '../../src/runtime/token-bucket.ts';

describe('a token bucket', () => {
  test('gives its burst at once, then one for each part of a second', () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, 0);
    expect([0, 0, 0, 0].map((nowMs) => bucket.take(nowMs))).toEqual([true, true, true, false]);
    expect([99, 100, 100, 200].map((nowMs) => bucket.take(nowMs))).toEqual([false, true, false, true]);
  });

  test('is full again after a pause, and never more than full', () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 2 }, 0);
    bucket.take(0);
    expect([60_000, 60_000, 60_000].map((nowMs) => bucket.take(nowMs))).toEqual([true, true, false]);
    expect(bucket.isEmpty(60_000)).toBe(true);
    expect(bucket.isEmpty(60_100)).toBe(false);
  });

  test('a clock that goes back gives nothing', () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 1 }, 1_000);
    bucket.take(1_000);
    expect(bucket.take(0)).toBe(false);
  });

  test('one token is enough to take several, and the rest is owed', () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 2 }, 0);
    expect(bucket.take(0, 5)).toBe(true);
    expect([0, 300, 399, 400].map((nowMs) => bucket.take(nowMs))).toEqual([false, false, false, true]);
  });

  test('property: in no span of time does it give more than the burst and what the span brings', () => {
    const pauses = fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 200 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 50 }),
        pauses,
        (perSecond, burst, gaps) => {
          const bucket = new TokenBucket({ perSecond, burst }, 0);
          const given: number[] = [];
          let nowMs = 0;
          for (const gap of gaps) {
            nowMs += gap;
            if (bucket.take(nowMs)) given.push(nowMs);
          }
          for (const [first, fromMs] of given.entries()) {
            for (let last = first; last < given.length; last += 1) {
              const most = burst + ((given[last]! - fromMs) * perSecond) / 1_000;
              expect(last - first + 1).toBeLessThanOrEqual(most + 1e-6);
            }
          }
        },
      ),
    );
  });
});

describe('a rate for each key', () => {
  test('keys do not share', () => {
    const rate = new KeyedRate({ perSecond: 1, burst: 1 });
    expect([rate.take('a'), rate.take('a'), rate.take('b')]).toEqual([true, false, true]);
    expect([rate.isEmpty('a'), rate.isEmpty('nobody')]).toEqual([true, false]);
  });

  test('without a rate everything goes', () => {
    const rate = new KeyedRate(null);
    expect(Array.from({ length: 1_000 }, () => rate.take('a'))).not.toContain(false);
    expect(rate.isEmpty('a')).toBe(false);
  });

  test('keys that anybody can make up push out only those that were silent longest', () => {
    const rate = new KeyedRate({ perSecond: 0.001, burst: 1 });
    rate.take('early');
    for (let index = 0; index < 100_000; index += 1) rate.take(`key ${index}`);
    expect([rate.take('key 99999'), rate.take('early')]).toEqual([false, true]);
  });
});
