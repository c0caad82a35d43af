import { median, type Percentiles } from './statistics.ts';

/** A line of the result: one value for each round, and what it is compared with. */
export interface Row {
  readonly what: string;
  readonly unit: Unit;
  readonly values: readonly number[];
  readonly against?: { readonly name: string; readonly values: readonly number[] };
  readonly target?: Target;
}

export type Unit =
  | 'messages/s'
  | 'deliveries/s'
  | 'joins/s'
  | 'requests/s'
  | 'heartbeats/s'
  | 'chunks/s'
  | 'ms'
  | 's'
  | 'µs'
  | 'KiB'
  | 'MiB'
  | 'cores'
  | 'messages'
  | 'failures';

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

/** A row beside what another one has measured in the same rounds. */
export function compare(
  row: Row,
  { name, values }: { readonly name: string; readonly values: readonly number[] },
  target?: Target,
): Row {
  return { ...row, against: { name, values }, ...(target && { target }) };
}

/** The same at several sizes, the smallest first: each larger one beside it. The largest may have a target. */
export function besideSmallest(
  nameOfSmallest: string,
  [smallest, ...larger]: readonly Row[],
  targetOfLargest?: Target,
): Row[] {
  const against = { name: nameOfSmallest, values: smallest!.values };
  return larger.map((row, n) => compare(row, against, n === larger.length - 1 ? targetOfLargest : undefined));
}

/** How many there were in a second. */
export function rateRow(what: string, unit: Unit, results: readonly { readonly perSecond: number }[]): Row {
  return { what, unit, values: results.map(({ perSecond }) => perSecond) };
}

const allPercentiles = ['p50', 'p95', 'p99'] as const;

/** How long it took, in ms; a row for each of these percentiles. */
export function timeRows(
  what: string,
  results: readonly Percentiles[],
  names: readonly (keyof Percentiles)[] = allPercentiles,
): Row[] {
  return names.map((name) => ({
    what: `${what}, ${name}`,
    unit: 'ms',
    values: results.map((result) => result[name]),
  }));
}

/** Operations that failed, if any did: a figure beside others that says how far they can be believed. */
export function failureRows(
  what: string,
  results: readonly { readonly failures: Readonly<Record<string, number>> }[],
): Row[] {
  const counts = results.map(({ failures }) => Object.values(failures).reduce((sum, n) => sum + n, 0));
  if (counts.every((count) => count === 0)) return [];
  const reasons = new Set(results.flatMap(({ failures }) => Object.keys(failures)));
  return [{ what: `${what}, failed: ${[...reasons].join(', ')}`, unit: 'failures', values: counts }];
}
