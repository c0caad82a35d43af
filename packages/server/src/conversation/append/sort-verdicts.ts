import type { Verdict } from './append-statements.ts';
import { CommittedBatch } from './committed-batch.ts';
import type { Outcome } from './draft.ts';
import type { PendingAppend } from './pending-append.ts';
import { toOutcome } from './verdict-outcome.ts';

/** What the verdicts of a batch come to. */
export interface SortedVerdicts {
  /** In the batch's order; null for those that are left open. */
  readonly outcomes: readonly (Outcome | null)[];
  /** What was stored now, for everybody else. */
  readonly committed: CommittedBatch;
  /** Left open: the session has agents, and was taken for one without. */
  readonly mistaken: readonly PendingAppend[];
}

/** `verdicts` in the batch's order; see `JudgingOptions.hasAgents` for null. */
export function sortVerdicts(
  batch: readonly PendingAppend[],
  verdicts: readonly (Verdict | null)[],
): SortedVerdicts {
  const outcomes: (Outcome | null)[] = [];
  const committed = new CommittedBatch();
  const mistaken: PendingAppend[] = [];
  for (const [index, append] of batch.entries()) {
    const verdict = verdicts[index]!;
    if (verdict === null) {
      outcomes.push(null);
      mistaken.push(append);
      continue;
    }
    const outcome = toOutcome(append.draft, verdict);
    outcomes.push(outcome);
    if (outcome.kind === 'stored') committed.add(outcome.message, verdict.woke);
  }
  return { outcomes, committed, mistaken };
}
