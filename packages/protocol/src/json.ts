/**
 * What JSON may be stored. Postgres' jsonb refuses some texts that JSON.parse accepts (NUL, lone surrogates,
 * deep nesting), and one such row would fail its whole batch, so they are refused at the edge.
 */

export type JsonObject = { readonly [key: string]: unknown };

/** Deepest nesting of a stored object: more than any message needs, far below what breaks a parser. */
export const maxJsonDepth = 32;

/**
 * Most items of an array and keys of an object, and longest key in UTF-16 units. Bytes are bounded elsewhere; these
 * are for whoever reads the message: no page, index or object made from it grows by what one sender chose.
 */
export const maxJsonItems = 1_000;
export const maxJsonKeys = 1_000;
export const maxJsonKeyLength = 256;

/** Whether `value` is a plain JSON object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Why the parsed JSON `value` cannot be stored, or null when it can. Recursion is bounded by `maxDepth`.
 * Refused: NUL and lone surrogates in texts and keys, integers outside ±(2^53 − 1), numbers that are not
 * finite, a `__proto__` key, nesting deeper than `maxDepth`, arrays, objects and keys that are too long.
 */
export function findJsonProblem(value: unknown, maxDepth = maxJsonDepth): string | null {
  switch (typeof value) {
    case 'string':
      return findTextProblem(value);
    case 'number':
      return findNumberProblem(value);
    case 'object':
      if (value === null) return null;
      if (maxDepth === 0) return `nests deeper than ${maxJsonDepth} levels`;
      return Array.isArray(value)
        ? findInArray(value, maxDepth)
        : findInObject(value as JsonObject, maxDepth);
    default:
      return null;
  }
}

function findInArray(values: readonly unknown[], maxDepth: number): string | null {
  if (values.length > maxJsonItems) return `has an array of more than ${maxJsonItems} items`;
  for (const value of values) {
    const problem = findJsonProblem(value, maxDepth - 1);
    if (problem !== null) return problem;
  }
  return null;
}

function findInObject(object: JsonObject, maxDepth: number): string | null {
  const keys = Object.keys(object);
  if (keys.length > maxJsonKeys) return `has an object of more than ${maxJsonKeys} keys`;
  for (const key of keys) {
    // Harmless here, but a reader that merges objects would be polluted by it.
    if (key === '__proto__') return 'has a "__proto__" key';
    if (key.length > maxJsonKeyLength) return `has a key of more than ${maxJsonKeyLength} characters`;
    const problem = findTextProblem(key) ?? findJsonProblem(object[key], maxDepth - 1);
    if (problem !== null) return problem;
  }
  return null;
}

function findTextProblem(text: string): string | null {
  if (text.includes('\0')) return 'contains a NUL character';
  if (!text.isWellFormed()) return 'contains a lone surrogate';
  return null;
}

function findNumberProblem(number: number): string | null {
  if (!Number.isFinite(number)) return 'contains a number that is not finite';
  // 2^53 and beyond: the value that was parsed may not be the value that was written.
  if (Number.isInteger(number) && !Number.isSafeInteger(number))
    return 'contains an integer outside ±(2^53 − 1)';
  return null;
}
