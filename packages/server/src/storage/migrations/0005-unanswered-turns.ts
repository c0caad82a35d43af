import { type Kysely, sql } from 'kysely';

/**
 * Operators look for the turns that nobody has answered, which are few among many: by `agent_turns_by_agent` alone an
 * agent's whole past is read for them, a second for each million turns.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
create index agent_turns_unanswered on agent_turns (agent_id, id desc) where status in ('failed', 'stopped', 'dead');
`)
    .execute(db);
}
