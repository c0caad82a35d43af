import { type SessionId, sessionSchema } from '@fleetlm/protocol';
import type { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { addMember, removeMember } from '../../../src/conversation/members.ts';
import { createSession, listSessions, readSession } from '../../../src/conversation/sessions.ts';
import { alice, carol, draft, type Fixture } from '../fixtures.ts';
import { agentGroup, bot, directSession, helper, turnsOf } from './turn-fixture.ts';
import { useTurnFixture } from './use-turn-fixture.ts';

let fixture: Fixture;
let admin: Client;

useTurnFixture((world) => {
  ({ fixture, admin } = world);
});

describe('the agents of a session', () => {
  const agentsOf = async (id: SessionId) =>
    (await admin.query('select agent_ids from chat_sessions where id = $1', [id])).rows[0].agent_ids;

  test('are named in it from its creation, and none is null', async () => {
    expect(await agentsOf(await directSession(fixture.db))).toEqual([bot]);
    expect(await agentsOf(await agentGroup(fixture, 'always', helper, bot))).toEqual([bot, helper]);
    expect(await agentsOf(await fixture.session())).toBeNull();
    const byAgent = {
      kind: 'group' as const,
      initiatorId: bot,
      peerId: null,
      agentId: null,
      memberIds: [alice],
    };
    expect(await agentsOf(await createSession(fixture.db.kysely, { ...byAgent, metadata: {} }))).toEqual([
      bot,
    ]);
  });

  test('grow with each that joins, once, and never shrink', async () => {
    const session = await fixture.session();
    const join = (id: typeof bot) =>
      addMember(fixture.db.kysely, session, id, { wake: 'always', maxMembers: 10 });
    await join(carol);
    expect(await agentsOf(session)).toBeNull();
    await join(helper);
    await join(bot);
    await removeMember(fixture.db.kysely, session, helper);
    expect(await agentsOf(session)).toEqual([helper, bot]);
    await join(helper);
    expect(await agentsOf(session)).toEqual([helper, bot]);
    await fixture.append(draft(session, 'x'));
    expect((await turnsOf(fixture.db, session)).map((turn) => turn.agent_id)).toEqual([bot, helper]);
  });

  test('are no part of what is shown of it', async () => {
    const session = await agentGroup(fixture, 'always', bot);
    const shown = Object.keys(sessionSchema.shape).sort();
    expect(Object.keys((await readSession(fixture.db, session, null))!.session).sort()).toEqual(shown);
    const [listed] = await listSessions(fixture.db.kysely, { limit: 1 });
    expect(Object.keys(listed!).sort()).toEqual(shown);
  });
});
