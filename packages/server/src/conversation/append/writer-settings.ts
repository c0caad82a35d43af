import { lookupPlans } from '../../storage/lookup-plans.ts';

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
 * How a lane's connection is set up. With plans of Postgres' own choice appends become 4–8 times slower as tables grow.
 * The isolation is said, not assumed: under a stricter default the append would not see what its locks waited for.
 */
export function writerSettings(settings: WriterSettings): string {
  return [
    "set default_transaction_isolation = 'read committed'",
    ...Object.entries(lookupPlans).map(([name, value]) => `set ${name} = ${value}`),
    `set statement_timeout = ${settings.statementTimeoutMs}`,
    `set lock_timeout = ${settings.lockTimeoutMs}`,
    ...(settings.isAsyncCommitAccepted ? [] : [keepCommitsSynchronous]),
  ].join(';');
}
