import type { ParticipantId, SessionId } from '@fleetlm/protocol';
import { loadSql } from '../lib/load-sql.ts';
import type { Db } from '../storage/database.ts';

const addAgentStatement = {
  name: 'add-agent-to-sessions',
  text: loadSql(new URL('./sql/add-agent-to-sessions.sql', import.meta.url)),
};

/** Sessions whose locks are held at a time: appends to them wait for a few milliseconds. */
const batchSize = 200;

/**
 * Makes messages wake an agent in the sessions that it joined as something else: its kind was changed since. Goes
 * from batch to batch, each committed; what a crash leaves undone, the next call does.
 */
export async function addAgentToSessions(db: Db, agentId: ParticipantId): Promise<void> {
  let after = '';
  for (;;) {
    const rows = await db.query<{ id: SessionId }>(addAgentStatement, [agentId, after, batchSize]);
    if (rows.length < batchSize) return;
    after = rows.reduce((last, { id }) => (id > last ? id : last), after);
  }
}
