import type { SessionId } from '@fleetlm/protocol';
import type { Client } from 'pg';
import { beforeEach, describe, expect, test } from 'vitest';
import { bob, draft, type Fixture, listener } from '../fixtures.ts';
import {
  addTurn,
  agentGroup,
  bot,
  claim,
  directSession,
  helper,
  reply,
  server,
  turnsOf,
} from './turn-fixture.ts';
import { useTurnFixture } from './use-turn-fixture.ts';

let fixture: Fixture;
let admin: Client;

useTurnFixture(
  (world) => {
    ({ fixture, admin } = world);
  },
  { env: { FLEETLM_HOP_LIMIT: '3' } },
);

describe('hops', () => {
  let cut: number[];

  beforeEach(() => {
    cut = [];
    fixture.appender.listen(
      listener({ hopLimitReached: (messages) => cut.push(...messages.map((message) => message.seq)) }),
    );
  });

  test('count the turns since a person spoke, and end at the limit', async () => {
    const session = await agentGroup(fixture, 'always', bot, helper);
    await fixture.append(draft(session, 'go', { metadataJson: '{"mentions":[]}' }));
    await answer(session, bot);
    await answer(session, helper);
    await answer(session, bot);

    expect(await hops(session)).toEqual([0, 1, 1, 2]);
    // The first message woke both; each of them was woken by the other's answer.
    expect((await turnsOf(fixture.db, session)).map((turn) => [turn.agent_id, turn.hop])).toEqual([
      [bot, 1],
      [bot, 2],
      [helper, 1],
      [helper, 3],
    ]);
    expect(cut).toEqual([]);
    await answer(session, helper);
    expect(await hops(session)).toEqual([0, 1, 1, 2, 3]);
    expect(cut).toEqual([5]);
    expect((await turnsOf(fixture.db, session)).filter((turn) => turn.status === 'pending')).toEqual([]);
  });

  test('start anew when a person speaks, also in a turn that waits', async () => {
    const session = await agentGroup(fixture, 'always', bot, helper);
    await addTurn(fixture.db, session, { hop: 3, agentId: helper });
    await fixture.append(draft(session, 'by itself', { senderId: helper }));
    expect(cut).toEqual([1]);
    await admin.query('update agent_turns set hop = 2 where session_id = $1', [session]);
    await fixture.append(draft(session, 'again', { senderId: helper }));
    expect(await pendingHops(session)).toEqual([3]);
    await fixture.append(draft(session, 'hello'));
    expect(await pendingHops(session)).toEqual([1, 1]);
    await fixture.append(draft(session, 'and', { senderId: helper }));
    expect(await pendingHops(session)).toEqual([1, 1]);
  });

  test('of a reply are those of the turn that it answers, also when a newer one waits', async () => {
    const session = await directSession(fixture.db);
    const turnId = await addTurn(fixture.db, session, { hop: 3 });
    await fixture.append(draft(session, 'meanwhile'));
    expect(await pendingHops(session)).toEqual([1]);
    await fixture.append(reply(session, { turnId, endsAs: null }));
    await fixture.append(draft(session, 'by itself', { senderId: bot }));
    expect(await hops(session)).toEqual([0, 3, 1]);
  });

  test('of what an agent writes by itself are those of its newest turn there', async () => {
    const session = await agentGroup(fixture, 'never', bot, helper);
    const elsewhere = await agentGroup(fixture, 'never', bot);
    await addTurn(fixture.db, elsewhere, { status: 'running', hop: 3 });
    await fixture.append(draft(session, 'before any', { senderId: bot }));
    await addTurn(fixture.db, session, { status: 'completed', hop: 3 });
    await addTurn(fixture.db, session, { status: 'failed', hop: 1 });
    await addTurn(fixture.db, session, { status: 'completed', hop: 2 });
    await fixture.append(draft(session, 'later', { senderId: bot }));
    await fixture.append(draft(session, 'a person', { senderId: bob }));
    await fixture.append(draft(session, 'the other', { senderId: helper }));
    await fixture.append(
      draft(session, 'system', { senderId: server, kind: 'system', bypassMembership: true }),
    );
    expect(await hops(session)).toEqual([0, 2, 0, 0, 0]);
  });

  async function answer(session: SessionId, agent: typeof bot): Promise<void> {
    const turnId = (await claim(fixture.db, session, agent))!;
    const outcome = await fixture.append(reply(session, { turnId }, { senderId: agent }));
    expect(outcome.kind).toBe('stored');
  }

  async function hops(session: SessionId): Promise<number[]> {
    const { rows } = await admin.query('select hop from chat_messages where session_id = $1 order by seq', [
      session,
    ]);
    return rows.map((row) => row.hop);
  }

  async function pendingHops(session: SessionId): Promise<number[]> {
    const turns = await turnsOf(fixture.db, session);
    return turns.filter((turn) => turn.status === 'pending').map((turn) => turn.hop);
  }
});
