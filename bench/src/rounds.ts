/**
 * Measures several subjects in turn, `rounds` times, each round beginning with another one: whatever else the
 * machine does, and whatever one leaves behind, hits all alike. Returns each subject's results, one for a round.
 */
export async function alternate<Subjects extends Record<string, (round: number) => Promise<unknown>>>(
  rounds: number,
  subjects: Subjects,
): Promise<{ [Name in keyof Subjects]: Awaited<ReturnType<Subjects[Name]>>[] }> {
  const names = Object.keys(subjects);
  const results = Object.fromEntries(names.map((name) => [name, [] as unknown[]]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [index] of names.entries()) {
      const name = names[(index + round) % names.length]!;
      results[name]!.push(await subjects[name]!(round));
    }
  }
  return results as { [Name in keyof Subjects]: Awaited<ReturnType<Subjects[Name]>>[] };
}
