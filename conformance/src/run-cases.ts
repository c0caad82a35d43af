import { type Case, type Entry, isCase, Skipped } from './case.ts';
import { Mismatch } from './mismatch.ts';
import { Subject } from './subject.ts';
import type { Target } from './target.ts';

/** What came of one case. */
export type CaseResult = { readonly entry: Entry } & (
  | { readonly outcome: 'ok'; readonly durationMs: number }
  | { readonly outcome: 'failed'; readonly error: unknown; readonly durationMs: number }
  | { readonly outcome: 'skipped'; readonly reason: string }
);

export interface RunOptions {
  /** Cases that run at the same time: each has people and sessions of its own. */
  readonly concurrency: number;
  /** Told of each case, in the order of `entries`, as soon as those before it are done. */
  readonly onResult: (result: CaseResult) => void;
}

/** Runs every case that can be run against the target. */
export async function runCases(
  entries: readonly Entry[],
  target: Target,
  { concurrency, onResult }: RunOptions,
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  let [started, told] = [0, 0];
  const work = async () => {
    while (started < entries.length) {
      const index = started;
      started += 1;
      results[index] = await runEntry(entries[index]!, target);
      for (let next = results[told]; next !== undefined; next = results[told]) {
        told += 1;
        onResult(next);
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return results;
}

/** Why the target cannot show a case, or null. */
export function whySkipped(entry: Entry, { identity, settings }: Target): string | null {
  if (!isCase(entry)) {
    return entry.proof ? `${entry.why}: see "${entry.proof.test}" in ${entry.proof.file}` : entry.why;
  }
  switch (entry.needs) {
    case undefined:
      return null;
    case 'slow':
      return settings.isSlow ? null : 'takes long or sends much: --slow';
    case 'tokens':
      return identity.mode === 'tokens' ? null : 'needs a server that checks tokens: --jwt-secret';
    case 'no-auth':
      return identity.mode === 'no-auth' ? null : 'needs a server without authentication: --no-auth';
    default:
      return entry.needs satisfies never;
  }
}

/** Runs one case. Throws what it throws. */
export async function runCase({ run }: Case, target: Target): Promise<void> {
  await using subject = new Subject(target);
  await run(subject);
}

async function runEntry(entry: Entry, target: Target): Promise<CaseResult> {
  const why = whySkipped(entry, target);
  if (why !== null || !isCase(entry)) return { entry, outcome: 'skipped', reason: why ?? '' };
  const beganMs = performance.now();
  const durationMs = () => Math.round(performance.now() - beganMs);
  try {
    await runCase(entry, target);
    return { entry, outcome: 'ok', durationMs: durationMs() };
  } catch (error) {
    if (error instanceof Skipped) return { entry, outcome: 'skipped', reason: error.message };
    return { entry, outcome: 'failed', error, durationMs: durationMs() };
  }
}

/** What is to be told of a failure, a line each. */
export function describeFailure(error: unknown): string[] {
  if (!(error instanceof Mismatch)) return [error instanceof Error ? describeError(error) : String(error)];
  return [`expected ${error.expected}`, `seen     ${error.seen}`, ...error.transcript];
}

/** fetch tells of a refused connection in its cause alone. */
function describeError({ message, cause }: Error): string {
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
