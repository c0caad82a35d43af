import { fits } from './pattern.ts';

export interface MismatchParts {
  readonly expected: unknown;
  readonly seen: unknown;
  /** What was said until then, a line each. */
  readonly transcript?: readonly string[];
}

/** The server did something else than the case expects. */
export class Mismatch extends Error {
  readonly expected: string;
  readonly seen: string;
  readonly transcript: readonly string[];

  constructor({ expected, seen, transcript = [] }: MismatchParts) {
    const [expectedText, seenText] = [describe(expected), describe(seen)];
    super(`expected ${expectedText}\n    seen ${seenText}`);
    this.name = 'Mismatch';
    this.expected = expectedText;
    this.seen = seenText;
    this.transcript = transcript;
  }
}

/** Throws a `Mismatch` unless `seen` is as expected, which may hold patterns. */
export function check(seen: unknown, expected: unknown): void {
  if (!fits(expected, seen)) throw new Mismatch({ expected, seen });
}

/** Texts are sentences, everything else is shown as JSON. */
function describe(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
}
