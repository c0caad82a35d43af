import type { Stage } from './stage.ts';

type Subjects = Readonly<Record<string, () => Promise<unknown>>>;

type Results<Some extends Subjects> = { [Name in keyof Some]: Awaited<ReturnType<Some[Name]>>[] };

/**
 * Measures several subjects in turn, as many rounds as the stage has, each beginning with another one:
 * whatever else the machine does, and whatever one leaves behind, hits all alike. Returns each subject's
 * results, one for a round.
 */
export async function alternate<Some extends Subjects>(
  { rounds, progress }: Pick<Stage, 'rounds' | 'progress'>,
  subjects: Some,
  part?: string,
): Promise<Results<Some>> {
  const names = Object.keys(subjects);
  const results = Object.fromEntries(names.map((name) => [name, [] as unknown[]]));
  let estimate = '';
  for (let round = 0; round < rounds; round += 1) {
    progress(`${part === undefined ? '' : `${part}, `}round ${round + 1} of ${rounds}${estimate}`);
    const beganMs = performance.now();
    for (const index of names.keys()) {
      const name = names[(index + round) % names.length]!;
      results[name]!.push(await subjects[name]!());
    }
    estimate = `, about ${Math.ceil((performance.now() - beganMs) / 1_000)} s`;
  }
  return results as Results<Some>;
}

/** The same for subjects that have no names but their places. */
export async function alternateAll<Result>(
  stage: Pick<Stage, 'rounds' | 'progress'>,
  subjects: readonly (() => Promise<Result>)[],
  part?: string,
): Promise<Result[][]> {
  return Object.values(await alternate(stage, Object.fromEntries(subjects.entries()), part));
}
