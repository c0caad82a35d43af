import type { ParticipantId, SessionId } from '@fleetlm/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Appender } from '../../../src/conversation/append/appender.ts';
import type { Draft, Outcome } from '../../../src/conversation/append/draft.ts';
import { alice, bob, createAppender, createFixture, draft, type Fixture } from '../fixtures.ts';
import { addAgents, addEndpoint, agentGroup, bot, claim, helper, reply, turnsOf } from './turn-fixture.ts';

/** More runs for the long form: FLEETLM_PROPERTY_RUNS=2000 npx vitest run turn-ranges */
const runs = Number(process.env['FLEETLM_PROPERTY_RUNS'] ?? 30);

let fixture: Fixture;
let nodes: readonly [Appender, Appender];

beforeAll(async () => {
  // No hop is cut: whoever must be woken is.
  const env = { FLEETLM_HOP_LIMIT: '1000', FLEETLM_APPEND_BATCH_ROWS: '8' };
  fixture = await createFixture({ env });
  nodes = [fixture.appender, await createAppender(fixture.database.target, { env })];
  await addAgents(fixture.db, bot, helper);
  await addEndpoint(fixture.db, bot);
  await addEndpoint(fixture.db, helper, 5);
});

afterAll(async () => {
  await nodes[1].stop();
  await fixture[Symbol.asyncDispose]();
});

interface Say {
  readonly type: 'say';
  readonly sender: ParticipantId;
  readonly mentions: readonly ParticipantId[];
  readonly isSystem: boolean;
  readonly node: 0 | 1;
}

interface Claim {
  readonly type: 'claim';
  readonly agent: ParticipantId;
}

interface End {
  readonly type: 'end';
  readonly agent: ParticipantId;
  /** By a statement of its own, or by the reply that this node appends. */
  readonly by: 'statement' | 0 | 1;
}

type Operation = Say | Claim | End;

const agent = fc.constantFrom(bot, helper);
const say: fc.Arbitrary<Say> = fc.record({
  type: fc.constant('say'),
  sender: fc.constantFrom(alice, alice, bob, bot, helper),
  mentions: fc.subarray([bot, helper]),
  isSystem: fc.nat(9).map((number) => number === 0),
  node: fc.constantFrom(0, 1),
});
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 6, arbitrary: say },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('claim' as const), agent }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('end' as const),
      agent,
      by: fc.constantFrom('statement' as const, 0 as const, 1 as const),
    }),
  },
);
/** Steps that run one after the other; the operations of a step run at the same time. */
const interleaving = fc.array(fc.array(operation, { minLength: 1, maxLength: 15 }), {
  minLength: 1,
  maxLength: 6,
});

test('in any interleaving of appends, claims and ends the ranges of turns part what wakes their agent', async () => {
  await fc.assert(
    fc.asyncProperty(interleaving, async (steps) => {
      const session = await addSession();
      for (const operations of steps) {
        await Promise.all(operations.map((one) => run(session, one)));
      }
      await checkTurns(session);
    }),
    { numRuns: runs },
  );
});

test('while two nodes append and others claim, every message that wakes is in one turn', async () => {
  const session = await addSession();
  let isSaying = true;
  const claiming = [bot, helper, bot, helper].map(async (id) => {
    while (isSaying) {
      await run(session, { type: 'claim', agent: id });
      await run(session, { type: 'end', agent: id, by: 'statement' });
    }
  });
  await Promise.all(
    nodes.map(async (_, node) => {
      for (let index = 0; index < 150; index++) {
        const mentions = index % 3 === 0 ? [helper] : [];
        await run(session, { type: 'say', sender: alice, mentions, isSystem: false, node: node as 0 | 1 });
      }
    }),
  );
  isSaying = false;
  await Promise.all(claiming);

  await checkTurns(session);
  // They met: the claims have cut the messages into many turns.
  expect((await turnsOf(fixture.db, session)).length).toBeGreaterThan(20);
});

/** A group in which everything wakes `bot`, and a mention `helper`. */
async function addSession(): Promise<SessionId> {
  const session = await agentGroup(fixture, 'always', bot, helper);
  await fixture.db.kysely
    .updateTable('session_members')
    .set({ wake: 'mention' })
    .where('session_id', '=', session)
    .where('participant_id', '=', helper)
    .execute();
  return session;
}

async function run(session: SessionId, one: Operation): Promise<void> {
  if (one.type === 'claim') await claim(fixture.db, session, one.agent);
  else if (one.type === 'end') await end(session, one);
  else expect((await append(one.node, toDraft(session, one))).kind).toBe('stored');
}

async function end(session: SessionId, { agent: agentId, by }: End): Promise<void> {
  const running = await fixture.db.kysely
    .selectFrom('agent_turns')
    .select('id')
    .where('session_id', '=', session)
    .where('agent_id', '=', agentId)
    .where('status', '=', 'running')
    .executeTakeFirst();
  if (running === undefined) return;
  if (by !== 'statement') {
    const outcome = await append(by, reply(session, { turnId: running.id }, { senderId: agentId }));
    // Of two that end it at once one comes too late, or is the same reply again.
    expect(['stored', 'duplicate', 'turn_ended']).toContain(outcome.kind);
    return;
  }
  await fixture.db.kysely
    .updateTable('agent_turns')
    .set({ status: 'failed' })
    .where('id', '=', running.id)
    .where('status', '=', 'running')
    .execute();
}

function append(node: 0 | 1, one: Draft): Promise<Outcome> {
  return new Promise((resolve) => nodes[node].append(one, resolve));
}

function toDraft(session: SessionId, { sender, mentions, isSystem }: Say): Draft {
  const kind = isSystem ? 'system' : 'text';
  return draft(session, 'x', { senderId: sender, kind, metadataJson: JSON.stringify({ mentions }) });
}

/** Of each agent: turns ascend, none overlaps, and together they hold each message that wakes it. */
async function checkTurns(session: SessionId): Promise<void> {
  const log = await fixture.db.kysely
    .selectFrom('chat_messages')
    .select(['seq', 'sender_id', 'kind', 'metadata', 'hop'])
    .where('session_id', '=', session)
    .orderBy('seq')
    .execute();
  const turns = await turnsOf(fixture.db, session);
  for (const agentId of [bot, helper]) {
    const waking = log.filter(
      ({ sender_id, kind, metadata }) =>
        sender_id !== agentId &&
        kind !== 'system' &&
        (agentId === bot || (metadata as { mentions?: string[] }).mentions?.includes(agentId)),
    );
    const ofAgent = turns.filter((turn) => turn.agent_id === agentId);
    const covered = ofAgent.map(({ from_seq, to_seq }) =>
      waking.filter(({ seq }) => from_seq <= seq && seq <= to_seq),
    );
    expect(covered.flat()).toEqual(waking);
    expect(ofAgent).toMatchObject(
      covered.map((messages) => ({
        from_seq: messages[0]?.seq,
        to_seq: messages.at(-1)?.seq,
        hop: Math.min(...messages.map((message) => message.hop)) + 1,
      })),
    );
  }
}
