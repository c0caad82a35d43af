import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HotTail, maxTailMessages } from '../../src/sessions/hot-tail.ts';
import { range, seqsOf, storedMessage, storedMessages } from './fixtures.ts';

const maxTailSize = 1 << 20;

/** The tails that there are: nothing, all of a short session, and the newest of a long one. */
const tails = {
  empty: () => new HotTail(),
  'all of 1 to 5': () => new HotTail(storedMessages(1, 5)),
  'part: 8 to 12': () => new HotTail(storedMessages(8, 12)),
  'full: 21 to 120': () => new HotTail(storedMessages(1, 120)),
};
type TailName = keyof typeof tails;

const applied: Record<TailName, Record<number, string>> = {
  empty: { 1: 'applied', 2: 'hole', 100: 'hole' },
  'all of 1 to 5': { 1: 'old', 5: 'old', 6: 'applied', 7: 'hole' },
  'part: 8 to 12': { 1: 'old', 7: 'old', 8: 'old', 12: 'old', 13: 'applied', 14: 'hole' },
  'full: 21 to 120': { 20: 'old', 21: 'old', 120: 'old', 121: 'applied', 122: 'hole' },
};

const after: Record<TailName, [cursor: number, limit: number, seqs: number[] | null][]> = {
  empty: [
    [0, 10, []],
    [5, 10, []],
  ],
  'all of 1 to 5': [
    [0, 10, range(1, 5)],
    [0, 2, [1, 2]],
    [3, 10, [4, 5]],
    [4, 1, [5]],
    [5, 10, []],
    [99, 10, []],
  ],
  'part: 8 to 12': [
    [0, 10, null],
    [6, 10, null],
    [7, 10, range(8, 12)],
    [8, 2, [9, 10]],
    [12, 10, []],
    [13, 10, []],
  ],
  'full: 21 to 120': [
    [19, 200, null],
    [20, 200, range(21, 120)],
    [119, 200, [120]],
    [120, 200, []],
  ],
};

const newest: Record<TailName, [limit: number, seqs: number[] | null][]> = {
  empty: [
    [1, []],
    [200, []],
  ],
  'all of 1 to 5': [
    [1, [5]],
    [5, range(1, 5)],
    [200, range(1, 5)],
  ],
  'part: 8 to 12': [
    [1, [12]],
    [5, range(8, 12)],
    [6, null],
    [12, null],
    [200, null],
  ],
  'full: 21 to 120': [
    [100, range(21, 120)],
    [101, null],
    [200, null],
  ],
};

const names = Object.keys(tails) as TailName[];

describe.each(names)('%s', (name) => {
  test.each(Object.entries(applied[name]))('apply of %s: %s', (seq, outcome) => {
    const tail = tails[name]();
    const { lastSeq } = tail;
    expect(tail.apply(storedMessage(Number(seq)))).toBe(outcome);
    expect(tail.lastSeq).toBe(outcome === 'applied' ? Number(seq) : lastSeq);
    expect(tail.apply(storedMessage(tail.lastSeq + 1))).toBe('applied');
  });

  test.each(after[name])('after %i, limit %i', (cursor, limit, seqs) => {
    expect(seqsOf(tails[name]().after(cursor, limit))).toEqual(seqs);
  });

  test.each(newest[name])('newest %i', (limit, seqs) => {
    expect(seqsOf(tails[name]().newest(limit))).toEqual(seqs);
  });
});

test('one message above all bounds is kept alone', () => {
  const tail = new HotTail(storedMessages(1, 3));
  expect(tail.apply(storedMessage(4, 2 * maxTailSize))).toBe('applied');
  expect(seqsOf(tail.after(3, 10))).toEqual([4]);
  expect(tail.after(2, 10)).toBeNull();
  expect(tail.apply(storedMessage(5))).toBe('applied');
  expect(seqsOf(tail.after(4, 10))).toEqual([5]);
  expect(tail.after(3, 10)).toBeNull();
});

test('what it hands out does not change afterwards', () => {
  const tail = new HotTail(storedMessages(1, 3));
  const page = tail.after(0, 10);
  tail.apply(storedMessage(4));
  expect(seqsOf(page)).toEqual([1, 2, 3]);
});

const sizes = fc.oneof(
  { weight: 8, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: maxTailSize / 4 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 * maxTailSize }) },
);

test('property: as the newest of an array that keeps everything', () => {
  const scenario = fc.record({
    first: fc.integer({ min: 1, max: 50 }),
    sizes: fc.array(sizes, { minLength: 1, maxLength: 150 }),
    cursor: fc.integer({ min: 0, max: 220 }),
    limit: fc.integer({ min: 1, max: 200 }),
  });
  fc.assert(
    fc.property(scenario, ({ first, sizes: sizesOfAll, cursor, limit }) => {
      const log = sizesOfAll.map((size, index) => storedMessage(first + index, size));
      const tail = new HotTail(log.slice(0, 1));
      for (const message of log.slice(1)) expect(tail.apply(message)).toBe('applied');
      const kept = newestThatFit(log);
      const lastSeq = first + log.length - 1;
      expect(tail.lastSeq).toBe(lastSeq);
      const known = cursor + 1 >= kept[0]!.seq;
      expect(seqsOf(tail.after(cursor, limit))).toEqual(
        known ? seqsOf(kept.filter(({ seq }) => seq > cursor).slice(0, limit)) : null,
      );
      const hasAll = kept.length >= Math.min(limit, lastSeq);
      expect(seqsOf(tail.newest(limit))).toEqual(hasAll ? seqsOf(kept.slice(-limit)) : null);
    }),
    { numRuns: 200 },
  );
});

/** The longest end of the log within both bounds, at least one message. */
function newestThatFit(log: ReturnType<typeof storedMessages>) {
  let [count, size] = [0, 0];
  for (const message of log.toReversed()) {
    size += message.json.length;
    if (count === maxTailMessages || (size > maxTailSize && count > 0)) break;
    count += 1;
  }
  return log.slice(-count);
}
