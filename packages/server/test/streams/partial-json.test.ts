import { parsePartialJson as parseBySdk } from 'ai';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsePartialJson } from '../../src/streams/partial-json.ts';
import { jsonText } from './chunk-arbitraries.ts';

const runs = 10 * Number(process.env['FLEETLM_FOLD_RUNS'] ?? 200);

test('any text, whole or cut anywhere, has the value that the SDK gives it', async () => {
  await fc.assert(
    fc.asyncProperty(jsonText, fc.nat(40), async (text, end) => {
      const cut = text.slice(0, end);
      expect(parsePartialJson(cut)).toEqual((await parseBySdk(cut)).value);
    }),
    { numRuns: runs },
  );
});

test.each([
  ['{"city": "Ber', { city: 'Ber' }],
  ['{"city": "Berlin", "da', { city: 'Berlin' }],
  ['[1, 2, {"a": tr', [1, 2, { a: true }]],
  ['"\\u00', ''],
  ['', undefined],
  ['{"__proto__": {"a": 1', undefined],
  ['{"constructor": {"prototype": 1', undefined],
  ['{"constructor": 1', { constructor: 1 }],
  ['['.repeat(40), undefined],
  [`${'['.repeat(40)}${']'.repeat(40)}`, undefined],
])('%j is %j', (text, value) => {
  expect(parsePartialJson(text)).toEqual(value);
});

test('a text of 1 MiB that was cut, of brackets or not, is read in well under a second', () => {
  const startMs = performance.now();
  expect(parsePartialJson(`{"text": "${'x'.repeat(1 << 20)}`)).toBeDefined();
  expect(parsePartialJson('['.repeat(1 << 20))).toBeUndefined();
  expect(performance.now() - startMs).toBeLessThan(1_000);
});
