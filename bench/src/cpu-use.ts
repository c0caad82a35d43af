import { cpuSecondsOf, cpuSecondsOfTree } from './cpu-time.ts';
import type { Row } from './row.ts';

/** The processes of a measurement: null for those that are not there, or not ours. */
export interface Processes {
  readonly server: number | null;
  readonly postgres: number | null;
  readonly generator: number | null;
}

/** CPU seconds of each; null where they cannot be told. */
export type CpuUse = { readonly [Part in keyof Processes]: number | null };

/** Does some work, and tells what CPU it took. */
export async function measureCpu<T>(processes: Processes, work: () => Promise<T>) {
  const before = await readAll(processes);
  const result = await work();
  const after = await readAll(processes);
  return { result, cpu: difference(after, before) };
}

/** Rows of the microseconds of CPU for one operation, part by part; `uses` and `counts` have an element each round. */
export function cpuRows(what: string, uses: readonly CpuUse[], counts: readonly number[]): Row[] {
  return parts.flatMap((part) => {
    const values = uses.map((use, round) => ((use[part] ?? NaN) * 1e6) / counts[round]!);
    if (values.some(Number.isNaN)) return [];
    return { what: `CPU of ${nameOf[part]} for each ${what}`, unit: 'µs' as const, values };
  });
}

const parts = ['server', 'postgres', 'generator'] as const;
const nameOf = { server: 'the server', postgres: 'Postgres', generator: 'the generator' };

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
