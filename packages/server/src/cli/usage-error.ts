import { nearestName } from '../lib/nearest-name.ts';

/** A command line that makes no sense; the message names what is missing or wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Something was named that there is not: what was probably meant, and all that there is. */
export function unknownName(what: string, given: string, known: readonly string[]): UsageError {
  const nearest = nearestName(given, known);
  const guess = nearest === null ? '' : `; did you mean ${nearest}?`;
  return new UsageError(`"${given}" is no ${what}${guess} (known: ${known.join(', ') || 'none'})`);
}
