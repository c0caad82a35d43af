import type { ParticipantId } from '@fleetlm/protocol';
import { quietLog, testDatabase } from '@fleetlm/testkit';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { selectTurns } from '../../../src/agents/turns/list-turns.ts';
import { openDatabase } from '../../../src/storage/database.ts';

test('the few turns that nobody has answered are found without reading all the others', async () => {
  await using database = await testDatabase();
  const db = openDatabase(database.target, 1, quietLog);
  await sql`
    insert into agent_turns (id, agent_id, session_id, from_seq, to_seq, hop, status)
    select i::text, 'agent:a', i::text, 1, 1, 1, case when i % 999 = 0 then 'dead' else 'completed' end
    from generate_series(1, 5000) i`.execute(db.kysely);
  await sql`analyze agent_turns`.execute(db.kysely);
  const planOf = async (status?: 'dead' | 'completed') => {
    const query = selectTurns(db.kysely, 'agent:a' as ParticipantId, { status, before: '9', limit: 51 });
    return JSON.stringify(await query.explain('json'));
  };
  expect(await planOf('dead')).toContain('agent_turns_unanswered');
  expect(await planOf('completed')).toContain('agent_turns_by_agent');
  for (const plan of [await planOf(), await planOf('dead'), await planOf('completed')]) {
    expect(plan).not.toMatch(/"(Sort|Seq Scan|Bitmap [^"]*)"/);
  }
  await db.close();
});
