import type { DraftInput } from '@fleetlm/protocol';
import type { Chunk } from '../../streams/chunk.ts';
import type { CallFailure } from '../call-failure.ts';

/**
 * What an answer says, in order. Each ends with exactly one `end`. An answer of nothing else (202, 204, no body)
 * completes the turn.
 */
export type AnswerEvent = AnswerContent | AnswerEnd;

export type AnswerContent =
  | { readonly kind: 'chunk'; readonly chunk: Chunk }
  | { readonly kind: 'messages'; readonly messages: readonly DraftInput[] };

export interface AnswerEnd {
  readonly kind: 'end';
  /** Why the answer ended before it was complete; what came before counts. */
  readonly failure: CallFailure | null;
  /** The beginning of the body, for the delivery log. */
  readonly excerpt: string;
}
