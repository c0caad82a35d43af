/** Operations that were no success, by their reason. */
export type Failures = Readonly<Record<string, number>>;

/** Counts one more, or so many. */
export function countFailure(failures: Record<string, number>, reason: string, count = 1): void {
  failures[reason] = (failures[reason] ?? 0) + count;
}
