/** Bounds of a writer's statements, in milliseconds. */
export interface WriterTimeouts {
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
}

/**
 * How a lane's connection is set up. The append statement looks each draft up by key, which is right however
 * large the tables are. Left alone, Postgres changes over to a generic plan with hash joins over whole tables
 * once they have grown, and appends become 4–8 times slower: so there is one plan, and no other way to join.
 */
export function writerSettings({ statementTimeoutMs, lockTimeoutMs }: WriterTimeouts): string {
  return [
    'set plan_cache_mode = force_generic_plan',
    'set enable_seqscan = off',
    'set enable_hashjoin = off',
    'set enable_mergejoin = off',
    'set jit = off',
    `set statement_timeout = ${statementTimeoutMs}`,
    `set lock_timeout = ${lockTimeoutMs}`,
  ].join(';');
}
