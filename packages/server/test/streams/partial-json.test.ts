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

const examples = [
  ['{"city": "Ber', { city: 'Ber' }],
  ['{"city": "Berlin", "da', { city: 'Berlin' }],
  ['[1, 2, {"a": tr', [1, 2, { a: true }]],
  ['[[],]', [[]]],
  ['[{}, {},}', [{}, {}]],
  ['{"a": {},}', { a: {} }],
  ['{"a": 1.5e', { a: 1.5 }],
  ['"\\u00', ''],
  ['', undefined],
  ['{"__proto__": {"a": 1', undefined],
  ['{"constructor": {"prototype": 1', undefined],
  ['{"constructor": 1', { constructor: 1 }],
] as const;

test.each(examples)('%j is %j, by the SDK too', async (text, value) => {
  expect(parsePartialJson(text)).toEqual(value);
  expect((await parseBySdk(text)).value).toEqual(value);
});

test.each(['['.repeat(40), `${'['.repeat(40)}${']'.repeat(40)}`])('%j is too deep', (text) => {
  expect(parsePartialJson(text)).toBeUndefined();
});

test('a text of 1 MiB that was cut, of brackets or not, is read in well under a second', () => {
  const startMs = performance.now();
  expect(parsePartialJson(`{"text": "${'x'.repeat(1 << 20)}`)).toBeDefined();
  expect(parsePartialJson('['.repeat(1 << 20))).toBeUndefined();
  expect(performance.now() - startMs).toBeLessThan(1_000);
});
