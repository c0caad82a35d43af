import type { AppendStatus } from '../../observability/labels.ts';
import type { Outcome } from './draft.ts';

/** What an outcome counts as: all rules that refuse are one, since the sender's request is at fault in each. */
export const appendStatusOf: Readonly<Record<Outcome['kind'], AppendStatus>> = {
  stored: 'ok',
  duplicate: 'duplicate',
  conflict: 'refused',
  session_not_found: 'refused',
  not_a_member: 'refused',
  session_closed: 'refused',
  turn_ended: 'refused',
  invalid: 'refused',
  overloaded: 'overloaded',
  failed: 'failed',
  outcome_unknown: 'unknown',
};
