import { type ParticipantId, parseParticipantId } from '@fleetlm/protocol';
import type { Kysely } from 'kysely';
import type { Database } from '../storage/schema.ts';
import { upsertParticipant } from './participants.ts';
import { createSession } from './sessions.ts';

const people = { 'user:alice': 'Alice', 'user:bob': 'Bob', 'user:carol': 'Carol', 'agent:echo': 'Echo' };
const [alice, bob, carol, echo] = Object.keys(people).map((id) => parseParticipantId(id)!) as [
  ParticipantId,
  ParticipantId,
  ParticipantId,
  ParticipantId,
];

/** Somebody to talk to for a first try: three people, an agent, a direct session and a group. Safe to repeat. */
export async function seedDemo(
  db: Kysely<Database>,
): Promise<{ participants: string[]; sessions: string[] }> {
  for (const [id, displayName] of Object.entries(people)) {
    await upsertParticipant(db, parseParticipantId(id)!, { display_name: displayName });
  }
  const found = await db
    .selectFrom('chat_sessions')
    .select('id')
    .where('initiator_id', '=', alice)
    .orderBy('id')
    .limit(2)
    .execute();
  const sessions = found.length > 0 ? found.map((session) => session.id) : await createDemoSessions(db);
  return { participants: Object.keys(people), sessions };
}

async function createDemoSessions(db: Kysely<Database>) {
  const direct = await createSession(db, {
    kind: 'human_dm',
    initiatorId: alice,
    peerId: bob,
    agentId: null,
    memberIds: [],
    metadata: { title: 'Alice and Bob' },
  });
  const group = await createSession(db, {
    kind: 'group',
    initiatorId: alice,
    peerId: null,
    agentId: null,
    memberIds: [bob, carol, echo],
    metadata: { title: 'Everybody' },
  });
  return [direct, group];
}
