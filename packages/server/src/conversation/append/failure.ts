import { DatabaseError } from 'pg';
import type { AttemptFailure } from '../../observability/labels.ts';

/** SQLSTATE codes, https://www.postgresql.org/docs/current/errcodes-appendix.html */
const collisions = new Set(['23505', '40P01', '40001']);

/** The server is read-only: after a failover the connection leads to the wrong one. */
const readOnly = '25006';

/** Whether the backend lives on after an error: FATAL and PANIC end it, whatever the transaction did. */
function endsBackend(error: DatabaseError): boolean {
  return error.severity !== 'ERROR';
}

/**
 * What an error on an append transaction's connection means for the transaction:
 * - `locked`: a lock was not to be had in time (55P03).
 * - `collision`: another writer was in the way (23505, 40P01, 40001): the same batch may run again at once.
 * - `bad_data`: Postgres refuses a row for its data (22…, 54…, 23514): one draft is to blame.
 * - `exhausted`: Postgres has not the time, the memory or the disk (53…, 57014): nothing was stored.
 * - `refused`: Postgres refuses for another reason, a missing table for one: nothing was stored.
 * - `unknown`: the connection broke, or nothing came back: it may have committed.
 */
export function classifyFailure(error: unknown): AttemptFailure {
  if (!(error instanceof DatabaseError) || endsBackend(error)) return 'unknown';
  const code = error.code ?? '';
  // A new connection finds the new primary.
  if (code === readOnly) return 'unknown';
  if (code === '55P03') return 'locked';
  if (collisions.has(code)) return 'collision';
  if (code.startsWith('22') || code.startsWith('54') || code === '23514') return 'bad_data';
  if (code.startsWith('53') || code === '57014') return 'exhausted';
  return 'refused';
}
