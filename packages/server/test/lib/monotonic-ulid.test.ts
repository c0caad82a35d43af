import { expect, test } from 'vitest';
import { monotonicUlid } from '../../src/lib/monotonic-ulid.ts';

test('ids are ULIDs, ascend, and are never the same', () => {
  const next = monotonicUlid();
  const ids = Array.from({ length: 10_000 }, () => next());
  expect(ids.every((id) => /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(id))).toBe(true);
  expect(ids).toEqual(ids.toSorted());
  expect(new Set(ids).size).toBe(ids.length);
});

test('every character of the random part takes all of its 32 values', () => {
  const next = monotonicUlid();
  // Each millisecond has a random part of its own.
  const ids = Array.from({ length: 2_000 }, (_, ms) => next(1_000_000_000_000 + ms));
  for (let position = 10; position < 26; position += 1) {
    expect(new Set(ids.map((id) => id[position])).size).toBe(32);
  }
});

test('two makers do not make the same', () => {
  const [one, other] = [monotonicUlid(), monotonicUlid()];
  expect(one(1_000_000_000_000)).not.toBe(other(1_000_000_000_000));
});
