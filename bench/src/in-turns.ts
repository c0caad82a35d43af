/** So many at a time prepare a scenario: a server is not to be flooded before it is measured. */
const defaultConcurrency = 20;

/** `work` for each item, some at a time, in their order. */
export async function inTurns<T>(
  items: Iterable<T>,
  work: (item: T) => Promise<void>,
  concurrency = defaultConcurrency,
): Promise<void> {
  const rest = Iterator.from(items);
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}
