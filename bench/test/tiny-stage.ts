import { expect } from 'vitest';
import { query } from '../src/postgres.ts';
import type { Row } from '../src/row.ts';
import { type OwnStage, openOwnStage } from '../src/stage.ts';
import { StartedProcesses } from '../src/started-processes.ts';
import { TestSources } from './test-sources.ts';

/** What a scenario needs to run once, tiny. Servers are in this process, so that their CPU is not told. */
export interface TinyStage extends OwnStage, AsyncDisposable {
  /** What it was told to say. */
  readonly said: readonly string[];
  /** Rows of one of its databases: a table, and perhaps a condition. */
  count(database: string, what: string): Promise<number>;
}

export async function openTinyStage(): Promise<TinyStage> {
  const [sources, started, said] = [new TestSources(), new StartedProcesses(), [] as string[]];
  const progress = (text: string) => said.push(text);
  const parts = { postgres: await sources.startPostgres(), startServer: sources.startServer };
  return {
    ...openOwnStage({ rounds: 1, seconds: 0.02, progress }, started, parts),
    said,
    async count(database, what) {
      const { target } = sources.databaseOf(database);
      const [row] = await query<{ count: number }>(target, `select count(*)::int as count from ${what}`);
      return row!.count;
    },
    async [Symbol.asyncDispose]() {
      await started[Symbol.asyncDispose]();
      await sources[Symbol.asyncDispose]();
    },
  };
}

/** What has a target, and beside what. */
export function targets(rows: readonly Row[]): string[] {
  return rows.flatMap(({ what, against, target }) => {
    if (target === undefined) return [];
    const beside = against === undefined ? '' : `, beside ${against.name}`;
    const { atLeast, atMost } = target;
    return `${what}${beside}: ${atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`}`;
  });
}

export function rates(rows: readonly Row[]): string[] {
  return rows.filter(({ unit }) => unit.endsWith('/s')).map(({ what, unit }) => `${what}: ${unit}`);
}

/** There is a figure in each row, and nothing failed. */
export function expectMeasured(rows: readonly Row[]): void {
  const wrong = rows.filter(({ unit, values, against }) => {
    // CPU is counted in hundredths of a second: of little work there may be none.
    const least = unit === 'µs' ? 0 : Number.MIN_VALUE;
    return [...values, ...(against?.values ?? [])].some((value) => !(value >= least && value < Infinity));
  });
  expect(wrong).toEqual([]);
  // A machine that is busy may not close a session before it is joined again.
  const failures = rows.filter(({ unit, what }) => unit === 'failures' && !what.endsWith('failed: not cold'));
  expect(failures).toEqual([]);
}
