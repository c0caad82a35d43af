import type { Config } from '../../config/config.ts';

/** The most connections that a node has to Postgres: its lanes, their detour, the pool, and that of readiness. */
export function connectionsToPostgres({ append, database }: Pick<Config, 'append' | 'database'>): number {
  return append.lanes + 1 + database.poolSize + 1;
}
