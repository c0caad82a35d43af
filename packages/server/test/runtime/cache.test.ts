import { describe, expect, test } from 'vitest';
import { Cache } from '../../src/runtime/cache.ts';

const sizeOf = ({ length }: { length: number }) => length;

describe('a cache', () => {
  test('gives a value away once', () => {
    const cache = new Cache<string, number[]>({ maxBytes: 10_000, ttlMs: 60_000, sizeOf });
    cache.put('a', [1]);
    expect(cache.take('a')).toEqual([1]);
    expect(cache.take('a')).toBeUndefined();
    expect(cache.bytes).toBe(0);
  });

  test('never holds more than its bytes: the least recently kept goes first', () => {
    const cache = new Cache<string, number[]>({ maxBytes: 1_000, ttlMs: 60_000, sizeOf });
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) {
      cache.put(key, Array(50).fill(0));
      expect(cache.bytes).toBeLessThanOrEqual(1_000);
    }
    expect(['a', 'b', 'c', 'd', 'e', 'f'].map((key) => cache.take(key) !== undefined)).toEqual([
      false,
      false,
      true,
      true,
      true,
      true,
    ]);
  });

  test('does not hold what is larger than all its room', () => {
    const cache = new Cache<string, number[]>({ maxBytes: 1_000, ttlMs: 60_000, sizeOf });
    cache.put('a', Array(2_000).fill(0));
    expect(cache.take('a')).toBeUndefined();
  });
});
