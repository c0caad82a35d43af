import type { TextStatement } from '../../storage/transaction.ts';
import type { IdentifiedDraft } from './draft.ts';

/**
 * Statements of another module that belong into an append's transaction: agents' turns are locked, ended,
 * created and extended with the messages that cause them, or not at all. They go out in the same round trip, and
 * an error in one fails the batch as an error of the append itself would.
 */
export interface AppendHook {
  /** Runs when the sessions are locked, before the append statement. Null: nothing to do for these drafts. */
  beforeAppend(drafts: readonly IdentifiedDraft[]): TextStatement | null;
  /** Runs after the append statement: a draft was stored if `chat_messages` has its id. */
  afterAppend(drafts: readonly IdentifiedDraft[]): TextStatement | null;
}

export const noAppendHook: AppendHook = { beforeAppend: () => null, afterAppend: () => null };
