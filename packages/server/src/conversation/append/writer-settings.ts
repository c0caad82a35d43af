/** How a writer's connection differs from any other. */
export interface WriterSettings {
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  /** Somebody said that Postgres may acknowledge commits before they are on disk. */
  readonly isAsyncCommitAccepted: boolean;
}

/**
 * The start refuses `off`; afterwards a role may get it, or a reload bring it. Said in the session, `on` holds
 * against both. `local` and the `remote_…` values are somebody's choice, and stay.
 */
const keepCommitsSynchronous = `select set_config('synchronous_commit', case value when 'off' then 'on' else value end, false)
  from current_setting('synchronous_commit') as value`;

/**
 * How a lane's connection is set up. The append statement looks each draft up by key, which is right however
 * large the tables are. Left alone, Postgres changes over to a generic plan with hash joins over whole tables
 * once they have grown, and appends become 4–8 times slower: so there is one plan, and no other way to join.
 * The isolation is said, not assumed: under a stricter default the append would not see what its locks waited for.
 */
export function writerSettings(settings: WriterSettings): string {
  return [
    "set default_transaction_isolation = 'read committed'",
    'set plan_cache_mode = force_generic_plan',
    'set enable_seqscan = off',
    'set enable_hashjoin = off',
    'set enable_mergejoin = off',
    'set enable_material = off',
    'set jit = off',
    `set statement_timeout = ${settings.statementTimeoutMs}`,
    `set lock_timeout = ${settings.lockTimeoutMs}`,
    ...(settings.isAsyncCommitAccepted ? [] : [keepCommitsSynchronous]),
  ].join(';');
}
