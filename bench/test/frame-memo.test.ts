import { describe, expect, test } from 'vitest';
import { FrameMemo } from '../src/load/frame-memo.ts';

/** A memo of numbers, and how often it has read one. */
function memoOf(size: number) {
  const reads: string[] = [];
  const memo = new FrameMemo(size, (bytes) => {
    reads.push(bytes.toString());
    const number = Number(bytes.toString());
    return Number.isNaN(number) ? null : number;
  });
  const get = (text: string) => memo.get(Buffer.from(text));
  return { reads, get };
}

describe('FrameMemo', () => {
  test('reads what goes round among many sockets once', () => {
    const { reads, get } = memoOf(3);
    for (let socket = 0; socket < 5; socket += 1) {
      expect(['1', '2', '3'].map(get)).toEqual([1, 2, 3]);
    }
    expect(reads).toEqual(['1', '2', '3']);
  });

  test('knows a frame in whatever order it comes', () => {
    const { reads, get } = memoOf(3);
    for (const text of ['1', '2', '3', '2', '1', '3', '3', '1']) expect(get(text)).toBe(Number(text));
    expect(reads).toHaveLength(3);
  });

  test('keeps no more than it may, and forgets the oldest', () => {
    const { reads, get } = memoOf(2);
    for (const text of ['1', '2', '3', '2', '3', '1']) expect(get(text)).toBe(Number(text));
    expect(reads).toEqual(['1', '2', '3', '1']);
  });

  test('tells frames of one length apart, and one that begins like another', () => {
    const { get } = memoOf(4);
    expect(['12', '13', '1', '123'].map(get)).toEqual([12, 13, 1, 123]);
    expect(['12', '13', '1', '123'].map(get)).toEqual([12, 13, 1, 123]);
  });

  test('does not keep what is none', () => {
    const { reads, get } = memoOf(1);
    expect(['1', 'reply', '1', 'reply'].map(get)).toEqual([1, null, 1, null]);
    expect(reads).toEqual(['1', 'reply', 'reply']);
  });

  test('keeps bytes of its own: the buffer of a frame is used again', () => {
    const memo = new FrameMemo(1, (bytes) => Number(bytes.toString()));
    const bytes = Buffer.from('1');
    expect(memo.get(bytes)).toBe(1);
    bytes.write('2');
    expect(memo.get(bytes)).toBe(2);
  });
});
