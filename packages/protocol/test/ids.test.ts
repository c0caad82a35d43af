import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isIdText, parseMessageId, parseParticipantId, parseSessionId } from '../src/ids.ts';

const ulid = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

describe.each([
  ['session', parseSessionId],
  ['message', parseMessageId],
])('%s ids', (_name, parse) => {
  test.each([ulid, '00000000000000000000000000', '7ZZZZZZZZZZZZZZZZZZZZZZZZZ'])('%s is one', (text) => {
    expect(parse(text)).toBe(text);
  });

  test.each([
    ['empty', ''],
    ['too short', ulid.slice(1)],
    ['too long', `${ulid}0`],
    ['small letters', ulid.toLowerCase()],
    ['beyond 128 bits', '8ZZZZZZZZZZZZZZZZZZZZZZZZZ'],
    ['letters that ULIDs leave out', ulid.replace('A', 'I')],
    ['a line break after it', `${ulid}\n`],
    ['a space before it', ` ${ulid}`],
    ['a number', 5],
    ['null', null],
    ['a list of one', [ulid]],
    ['an object that reads as one', { toString: () => ulid }],
  ])('not %s', (_what, value) => {
    expect(parse(value)).toBeNull();
  });
});

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

test('property: exactly 26 characters of the alphabet, the first of them at most 7, are a session id', () => {
  const characters = fc.array(fc.constantFrom(...alphabet, 'I', 'L', 'O', 'U', 'a'), {
    minLength: 25,
    maxLength: 27,
  });
  fc.assert(
    fc.property(characters, (all) => {
      const isOne = all.length === 26 && all.every((each) => alphabet.includes(each)) && all[0]! <= '7';
      expect(parseSessionId(all.join('')) !== null).toBe(isOne);
    }),
  );
});

describe('participant ids and keys', () => {
  test.each([
    ['by convention', 'user:alice'],
    ['one character', 'a'],
    ['128 characters', 'x'.repeat(128)],
    ['spaces, slashes, dots', ' a/b.c '],
    ['any script', 'user:أليس'],
    ['a pair of surrogates', 'user:🌍'],
    ['a word of the prototype', '__proto__'],
  ])('%s', (_name, text) => {
    expect(parseParticipantId(text)).toBe(text);
    expect(isIdText(text)).toBe(true);
  });

  test.each([
    ['empty', ''],
    ['129 characters', 'x'.repeat(129)],
    ['129 UTF-16 units', `${'🌍'.repeat(64)}x`],
    ['NUL', 'a\0b'],
    ['a line break', 'a\nb'],
    ['DEL', 'a\u007f'],
    ['a lone high surrogate', 'a\ud800'],
    ['a lone low surrogate', '\udc00a'],
    ['a number', 5],
    ['undefined', undefined],
    ['null', null],
    ['a list', ['a']],
    ['a boxed text', Object('a')],
  ])('not %s', (_name, value) => {
    expect(parseParticipantId(value)).toBeNull();
    expect(isIdText(value)).toBe(false);
  });
});
