import { type ParticipantId, parseParticipantId } from '@fleetlm/protocol';
import type { Kysely } from 'kysely';
import type { Database } from '../storage/schema.ts';
import { upsertParticipant } from './participants.ts';
import { createSession, type NewSession } from './sessions.ts';

const people = { 'user:alice': 'Alice', 'user:bob': 'Bob', 'user:carol': 'Carol', 'agent:echo': 'Echo' };
const [alice, bob, carol, echo] = Object.keys(people).map((id) => parseParticipantId(id)!) as [
  ParticipantId,
  ParticipantId,
  ParticipantId,
  ParticipantId,
];

const direct = { initiatorId: alice, agentId: null, memberIds: [] };
const demoSessions: readonly NewSession[] = [
  { ...direct, kind: 'human_dm', peerId: bob, metadata: { title: 'Alice and Bob' } },
  { ...direct, kind: 'agent_dm', peerId: echo, agentId: echo, metadata: { title: 'Alice and Echo' } },
  { ...direct, kind: 'group', peerId: null, memberIds: [bob, carol, echo], metadata: { title: 'Everybody' } },
];

/** Somebody to talk to for a first try: three people, an agent, two direct sessions and a group. Safe to repeat. */
export async function seedDemo(
  db: Kysely<Database>,
): Promise<{ participants: string[]; sessions: string[] }> {
  for (const [id, displayName] of Object.entries(people)) {
    await upsertParticipant(db, parseParticipantId(id)!, { display_name: displayName });
  }
  const sessions: string[] = [];
  for (const session of demoSessions) {
    sessions.push((await findSession(db, session)) ?? (await createSession(db, session)));
  }
  return { participants: Object.keys(people), sessions };
}

/** The oldest one of these people: an earlier seed, or `npm run dev`, may have made it. */
async function findSession(db: Kysely<Database>, { kind, initiatorId, peerId }: NewSession) {
  const found = await db
    .selectFrom('chat_sessions')
    .select('id')
    .where('initiator_id', '=', initiatorId)
    .where('kind', '=', kind)
    .where('peer_id', 'is not distinct from', peerId)
    .orderBy('id')
    .executeTakeFirst();
  return found?.id;
}
