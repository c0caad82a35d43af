import { unreachable } from '../../lib/unreachable.ts';
import type { AttemptFailure } from '../../observability/labels.ts';

/**
 * What a lane does after an attempt that did not commit:
 * - `rerun`: the same batch again.
 * - `go_around`: again, without the sessions that somebody else holds.
 * - `split`: each half alone, to find the draft that Postgres refuses.
 * - `reject`: the one draft that is left is the bad one.
 * - `shed`: the batch is refused; its senders may try again later.
 * - `give_up`: the batch fails, for a reason that only an operator can mend.
 * - `recover`: first make sure that the attempt is over, then the same batch again.
 */
export type NextStep = 'rerun' | 'go_around' | 'split' | 'reject' | 'shed' | 'give_up' | 'recover';

/**
 * A batch that collides again and again is not unlucky, something is wrong; each rerun has waited for the
 * writer that it lost to.
 */
const maxCollisions = 10;

/** Decides by the kind of failure, the number of drafts in the batch, and how often it collided before. */
export function decideNextStep(failure: AttemptFailure, size: number, collisions: number): NextStep {
  switch (failure) {
    case 'locked':
      return 'go_around';
    case 'collision':
      return collisions < maxCollisions ? 'rerun' : 'give_up';
    case 'bad_data':
      return size > 1 ? 'split' : 'reject';
    case 'exhausted':
      return 'shed';
    case 'refused':
      return 'give_up';
    case 'unknown':
      return 'recover';
    default:
      return unreachable(failure);
  }
}
