import { describe, expect, test } from 'vitest';
import {
  findJsonProblem,
  isJsonObject,
  maxJsonDepth,
  maxJsonItems,
  maxJsonKeyLength,
  maxJsonKeys,
} from '../src/json.ts';

function nested(depth: number, isArray: boolean): unknown {
  return JSON.parse(
    isArray ? '['.repeat(depth) + ']'.repeat(depth) : `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`,
  );
}

function withKeys(count: number): object {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key ${index}`, index]));
}

describe('what can be stored', () => {
  test.each([
    ['an empty object', {}],
    ['texts of any kind', { text: 'é 🌍 \u0001 \u007f \u2028', '': '' }],
    ['numbers up to 2^53 − 1', [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0, -0, 0.1, 5e-324]],
    ['null and booleans', [null, true, false]],
    ['32 levels of objects', nested(maxJsonDepth, false)],
    ['32 levels of lists', nested(maxJsonDepth, true)],
    ['words of the prototype', { constructor: 1, prototype: 2, toString: 3, proto__: 4 }],
    ['__proto__ as a text', { text: '__proto__' }],
    ['as many items as may be', Array.from({ length: maxJsonItems }, (_, n) => ({ n }))],
    ['as many keys as may be', withKeys(maxJsonKeys)],
    ['a key as long as may be', { ['k'.repeat(maxJsonKeyLength)]: 1 }],
  ])('%s', (_name, value) => {
    expect(findJsonProblem(value)).toBeNull();
  });
});

describe('what cannot', () => {
  const nul = 'contains a NUL character';
  const surrogate = 'contains a lone surrogate';
  const integer = 'contains an integer outside ±(2^53 − 1)';
  const depth = 'nests deeper than 32 levels';
  const proto = 'has a "__proto__" key';
  const cases: [name: string, value: unknown, problem: string][] = [
    ['NUL in a text', 'a\0b', nul],
    ['NUL alone', '\0', nul],
    ['NUL in a key', { 'a\0': 1 }, nul],
    ['a high surrogate', '\ud800', surrogate],
    ['a low surrogate', 'a\udfff', surrogate],
    ['a pair the wrong way round', '\udc00\ud800', surrogate],
    ['a lone surrogate in a key', { '\ud800': 1 }, surrogate],
    ['2^53', 2 ** 53, integer],
    ['−2^53', -(2 ** 53), integer],
    ['1e300', 1e300, integer],
    ['what was too large to be read', JSON.parse('1e400'), 'contains a number that is not finite'],
    ['the same, negative', JSON.parse('-1e400'), 'contains a number that is not finite'],
    ['33 levels of objects', nested(33, false), depth],
    ['33 levels of lists', nested(33, true), depth],
    ['1,001 items', new Array(1_001).fill(0), 'has an array of more than 1000 items'],
    ['1,001 keys', withKeys(1_001), 'has an object of more than 1000 keys'],
    ['a key of 257 characters', { ['k'.repeat(257)]: 1 }, 'has a key of more than 256 characters'],
    ['50,000 levels', nested(50_000, true), depth],
    ['a __proto__ key', JSON.parse('{"__proto__":1}'), proto],
    ['a __proto__ key that is an object', JSON.parse('{"__proto__":{"a":1}}'), proto],
  ];

  test.each(cases)('%s', (_name, value, problem) => {
    expect(findJsonProblem(value)).toBe(problem);
  });

  test.each(cases)('%s, deep inside', (_name, value, problem) => {
    expect(findJsonProblem({ a: [1, { b: ['fine', value] }] })).toBe(problem);
  });
});

test.each([
  [{}, true],
  [{ a: 1 }, true],
  [Object.create(null), true],
  [[], false],
  [null, false],
  ['a', false],
  [1, false],
  [undefined, false],
])('isJsonObject of %j is %s', (value, expected) => {
  expect(isJsonObject(value)).toBe(expected);
});
