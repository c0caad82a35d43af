import { median } from './statistics.ts';

/** A line of the result: one value for each round, and what it is compared with. */
export interface Row {
  readonly what: string;
  readonly unit:
    | 'messages/s'
    | 'deliveries/s'
    | 'joins/s'
    | 'requests/s'
    | 'ms'
    | 's'
    | 'µs'
    | 'KiB'
    | 'MiB'
    | 'rows'
    | 'failures';
  readonly values: readonly number[];
  readonly against?: { readonly name: string; readonly values: readonly number[] };
  readonly target?: Target;
}

/** What the ratio of a row should be; a figure in the result, never a reason to fail. */
export interface Target {
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** Of each round its own ratio, then the middle one: what disturbs a round disturbs both of its sides. */
export function ratioOf({ values, against }: Row): number | null {
  if (against === undefined) return null;
  return median(values.map((value, round) => value / against.values[round]!));
}

/** Null without a target. A target of a row that is compared with nothing is about its value. */
export function meetsTarget(row: Row): boolean | null {
  if (row.target === undefined) return null;
  const { atLeast = -Infinity, atMost = Infinity } = row.target;
  const figure = ratioOf(row) ?? median(row.values);
  return figure >= atLeast && figure <= atMost;
}

/** Operations that failed, if any did: a figure beside others that says how far they can be believed. */
export function failureRow(
  results: readonly { readonly failures: Readonly<Record<string, number>> }[],
): Row[] {
  const counts = results.map(({ failures }) => Object.values(failures).reduce((sum, n) => sum + n, 0));
  if (counts.every((count) => count === 0)) return [];
  const reasons = new Set(results.flatMap(({ failures }) => Object.keys(failures)));
  return [{ what: `failed: ${[...reasons].join(', ')}`, unit: 'failures', values: counts }];
}
