import { cpuSecondsOf, cpuSecondsOfTree } from './cpu-seconds.ts';
import type { Row } from './row.ts';

/** The processes of a measurement: null for those that are not ours. */
export interface Processes {
  readonly server: number | null;
  readonly postgres: number | null;
  readonly generator: number | null;
}

/** CPU seconds of each; null where they cannot be told. */
export type CpuUse = { readonly [Part in keyof Processes]: number | null };

/** Does some work, and tells with its result what CPU it took. */
export async function measureCpu<Result extends object>(
  processes: Processes,
  work: () => Promise<Result>,
): Promise<Result & { readonly cpu: CpuUse }> {
  const before = await readAll(processes);
  const result = await work();
  const after = await readAll(processes);
  return { ...result, cpu: difference(after, before) };
}

/** What was done in a round, and the CPU that it took. */
export interface Counted {
  readonly count: number;
  readonly cpu: CpuUse;
}

const allParts = ['server', 'postgres', 'generator'] as const;
const nameOf = { server: 'the server', postgres: 'Postgres', generator: 'the generator' };

/**
 * Rows of the microseconds of CPU for one operation, part by part; where they cannot be told there are none.
 */
export function cpuRows(
  what: string,
  results: readonly Counted[],
  parts: readonly (keyof CpuUse)[] = allParts,
): Row[] {
  return parts.flatMap((part) => {
    const values = results.map(({ cpu, count }) => ((cpu[part] ?? NaN) * 1e6) / count);
    if (values.some(Number.isNaN)) return [];
    return { what: `CPU of ${nameOf[part]} for each ${what}`, unit: 'µs' as const, values };
  });
}

async function readAll({ server, postgres, generator }: Processes): Promise<CpuUse> {
  return {
    server: server && (await cpuSecondsOf(server)),
    postgres: postgres && (await cpuSecondsOfTree(postgres)),
    generator: generator && (await cpuSecondsOf(generator)),
  };
}

function difference(after: CpuUse, before: CpuUse): CpuUse {
  const of = (part: keyof CpuUse) =>
    after[part] === null || before[part] === null ? null : after[part] - before[part];
  return { server: of('server'), postgres: of('postgres'), generator: of('generator') };
}
