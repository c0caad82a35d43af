import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nestsDeeper } from '../../src/lib/json-depth.ts';

describe('whether JSON nests deeper than three levels', () => {
  test.each([
    ['a number', '1', false],
    ['three levels', '[[[1]]]', false],
    ['four levels', '[[[[1]]]]', true],
    ['four levels of both kinds', '{"a":[{"b":[]}]}', true],
    ['many levels beside each other', `[${'[[]],'.repeat(50)}1]`, false],
    ['brackets in a text', '["[[[[{{{{"]', false],
    ['in a key', '{"[[[[":1}', false],
    ['behind an escaped quote', String.raw`["\"[[[["]`, false],
    ['behind an escaped backslash', String.raw`["\\",[[[1]]]]`, true],
    ['never closed', '[[[[', true],
    ['nothing', '', false],
    ['a text that ends in a backslash', '"\\', false],
  ])('%s', (_name, json, isDeeper) => {
    expect(nestsDeeper(Buffer.from(json), 3)).toBe(isDeeper);
  });

  test('property: as counted by hand', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.integer({ min: 0, max: 7 }), (value, maxDepth) => {
        expect(nestsDeeper(Buffer.from(JSON.stringify(value)), maxDepth)).toBe(depthOf(value) > maxDepth);
      }),
    );
  });
});

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}
