import type { AppendEnd, AppendTrace } from '../../observability/tracing.ts';
import type { IdentifiedDraft, OnOutcome, Outcome } from './draft.ts';

/**
 * A draft on its way: it is in one lane's queue or batch, or follows another with the same client_id. Its
 * sender is told exactly once: by the verdict, by the deadline, or by a refusal.
 */
export class PendingAppend {
  readonly draft: IdentifiedDraft;
  /** Bytes of its content and metadata: what queues and batches count. */
  readonly size: number;
  /** By `performance.now()`. */
  readonly deadline: number;
  readonly trace: AppendTrace | null;
  /** Sent to Postgres in an attempt that has not ended. */
  inFlight = false;
  /** An attempt with this draft ended without telling what became of it. */
  inDoubt = false;
  /** Later drafts of the same session, sender and client_id: they wait for this one's outcome. */
  followers: PendingAppend[] | null = null;
  #onOutcome: OnOutcome | null;

  constructor(draft: IdentifiedDraft, deadline: number, onOutcome: OnOutcome) {
    this.draft = draft;
    this.size = Buffer.byteLength(draft.contentJson) + Buffer.byteLength(draft.metadataJson);
    this.deadline = deadline;
    this.trace = draft.trace?.beginAppend(draft.sessionId) ?? null;
    this.#onOutcome = onOutcome;
  }

  /** Whether the sender has been told. */
  get isSettled(): boolean {
    return this.#onOutcome === null;
  }

  /** Tells the sender, the first time that it is called. */
  settle(outcome: Outcome): void {
    const onOutcome = this.#onOutcome;
    if (onOutcome === null) return;
    this.#onOutcome = null;
    this.trace?.end(describeEnd(outcome));
    onOutcome(outcome);
  }
}

function describeEnd(outcome: Outcome): AppendEnd {
  const { kind } = outcome;
  const isError = kind !== 'stored' && kind !== 'duplicate';
  return { outcome: kind, isError, seq: isError ? null : outcome.message.seq };
}
