import { expect, test } from 'vitest';
import { decodeHeaderText } from '../../src/lib/header-text.ts';

test.each(['', 'user:alice', 'user:josé', '用户:李', 'user:🌍', '\ufeffuser:a', 'user:Ã©'])(
  '%j comes back as it was written',
  (text) => {
    expect(decodeHeaderText(Buffer.from(text).toString('latin1'))).toBe(text);
  },
);

test.each([
  ['latin1', [0x6a, 0xe9]],
  ['a sequence that is cut off', [0xc3]],
  ['an overlong one', [0xc0, 0xaf]],
  ['a surrogate', [0xed, 0xa0, 0x80]],
])('%s is no UTF-8', (_name, bytes) => {
  expect(decodeHeaderText(Buffer.from(bytes).toString('latin1'))).toBeNull();
});
