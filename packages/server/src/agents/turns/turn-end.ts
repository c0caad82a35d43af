import type { TurnEnd } from '../../observability/labels.ts';
import type { Termination } from '../../streams/termination.ts';
import type { CallFailure } from '../call-failure.ts';

/** How a stream ends that no chunk of its agent ended. */
export function terminationAfter(failure: CallFailure | null): Termination {
  if (failure === null) return 'finish';
  return failure.reason === 'connection_lost' ? 'interrupted' : 'error';
}

/** What a stream's end means for its turn. */
export function turnEndOf(termination: Termination): TurnEnd {
  switch (termination) {
    case 'finish':
      return 'completed';
    case 'stopped':
      return 'stopped';
    case 'interrupted':
    case 'error':
      return 'failed';
  }
}
