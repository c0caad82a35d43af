/** A place in an expectation that more than one value fits. */
export class Pattern {
  readonly fits: (seen: unknown) => boolean;
  readonly #shown: unknown;

  constructor(shown: unknown, fits: (seen: unknown) => boolean) {
    this.#shown = shown;
    this.fits = fits;
  }

  toJSON(): unknown {
    return this.#shown;
  }
}

export const anything = new Pattern('…', () => true);

/** An object with these fields, and any others: clients must tolerate what they do not know. */
export function holding(fields: Readonly<Record<string, unknown>>): Pattern {
  return new Pattern({ ...fields, '…': '…' }, (seen) =>
    Object.entries(fields).every(([key, value]) => isObject(seen) && fits(value, seen[key])),
  );
}

/** One of these values. */
export function oneOf(...values: readonly unknown[]): Pattern {
  return new Pattern(values.map((value) => JSON.stringify(value)).join(' or '), (seen) =>
    values.some((value) => fits(value, seen)),
  );
}

/** Whether `seen` is what was expected: the same JSON, but for patterns. */
export function fits(expected: unknown, seen: unknown): boolean {
  if (expected instanceof Pattern) return expected.fits(seen);
  if (Array.isArray(expected)) {
    return (
      Array.isArray(seen) &&
      seen.length === expected.length &&
      expected.every((value, index) => fits(value, seen[index]))
    );
  }
  if (!isObject(expected)) return Object.is(expected, seen);
  const keys = Object.keys(expected);
  return (
    isObject(seen) &&
    Object.keys(seen).length === keys.length &&
    keys.every((key) => Object.hasOwn(seen, key) && fits(expected[key], seen[key]))
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
