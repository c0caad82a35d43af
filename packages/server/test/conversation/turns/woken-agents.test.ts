import type { MessageId, MessageKind, ParticipantId, SessionId } from '@fleetlm/protocol';
import { parseParticipantId } from '@fleetlm/protocol';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Verdict } from '../../../src/conversation/append/append-statements.ts';
import { appendBatch, prepareAppend } from '../../../src/conversation/append/append-transaction.ts';
import type { IdentifiedDraft } from '../../../src/conversation/append/draft.ts';
import { Failpoints } from '../../../src/lib/failpoints.ts';
import { monotonicUlid } from '../../../src/lib/monotonic-ulid.ts';
import { alice, createFixture, draft, type Fixture } from '../fixtures.ts';
import { addAgents, addEndpoint, agentGroup, directSession, helper, turnsOf } from './turn-fixture.ts';

const kinds = ['agent_dm', 'group'] as const;
const wakes = ['always', 'mention', 'never'] as const;
const endpoints = ['enabled', 'disabled', 'absent'] as const;
const memberships = ['member', 'left'] as const;

const senders = ['a person', 'the agent', 'another agent'] as const;
const messageKinds: readonly MessageKind[] = ['text', 'assistant', 'tool_call', 'system'];
/** `metadata.mentions`, by the agent's id. */
const mentions = {
  none: () => undefined,
  'the agent': (agent: string) => [alice, agent],
  'somebody else': () => [alice],
  'a longer id': (agent: string) => [`${agent}2`],
  'no array': (agent: string) => agent,
  'a key of an object': (agent: string) => ({ [agent]: true }),
} as const;

interface Message {
  readonly sender: (typeof senders)[number];
  readonly kind: MessageKind;
  readonly mention: keyof typeof mentions;
}

const messages: readonly Message[] = senders.flatMap((sender) =>
  messageKinds.flatMap((kind) =>
    (Object.keys(mentions) as Message['mention'][]).map((mention) => ({ sender, kind, mention })),
  ),
);

let fixture: Fixture;
let client: Client;
const newId = monotonicUlid();

beforeAll(async () => {
  fixture = await createFixture();
  const agents = endpoints.map(agentWith);
  await addAgents(fixture.db, ...agents, helper);
  await addEndpoint(fixture.db, agentWith('enabled'));
  await addEndpoint(fixture.db, agentWith('disabled'));
  client = new Client(fixture.database.target);
  await client.connect();
  await client.query(
    `update agent_endpoints set status = 'disabled' where agent_id = '${agentWith('disabled')}'`,
  );
  await prepareAppend(client);
});

afterAll(async () => {
  await client.end();
  await fixture[Symbol.asyncDispose]();
});

const cases = kinds.flatMap((kind) =>
  wakes.flatMap((wake) =>
    endpoints.flatMap((endpoint) =>
      memberships.map((membership) => [kind, wake, endpoint, membership] as const),
    ),
  ),
);

describe('an agent is woken', () => {
  test.each(cases)(
    'in a session of kind %s, wake %s, endpoint %s, as a %s',
    async (kind, wake, endpoint, membership) => {
      const agent = agentWith(endpoint);
      const session = await addSession(kind, agent);
      await client.query(
        `update session_members set wake = $3, left_at = case when $4 = 'left' then now() end
       where session_id = $1 and participant_id = $2`,
        [session, agent, wake, membership],
      );
      const verdicts = await append(messages.map((message) => toDraft(session, agent, message)));

      const mayWake = endpoint !== 'absent' && membership === 'member';
      const expected = messages.map(({ sender, kind: messageKind, mention }) => {
        const isCalled =
          kind === 'agent_dm' || wake === 'always' || (wake === 'mention' && mention === 'the agent');
        return mayWake && isCalled && sender !== 'the agent' && messageKind !== 'system' ? 'turn' : null;
      });
      expect(verdicts.map(({ woke }) => woke)).toEqual(expected);
      const waking = expected.flatMap((woke, index) => (woke === null ? [] : [index + 1]));
      const turns = (await turnsOf(fixture.db, session)).map((turn) => [turn.from_seq, turn.to_seq]);
      expect(turns).toEqual(waking.length === 0 ? [] : [[waking[0], waking.at(-1)]]);
    },
  );

  test('also of several, each by itself', async () => {
    const [enabled, disabled] = [agentWith('enabled'), agentWith('disabled')];
    const session = await agentGroup(fixture, 'mention', enabled, disabled);
    const mention = (...ids: string[]) =>
      identify(draft(session, 'x', { metadataJson: JSON.stringify({ mentions: ids }) }));
    await append([mention(), mention(enabled), mention(enabled, disabled), mention(disabled), mention()]);
    const turns = await turnsOf(fixture.db, session);
    expect(turns.map((turn) => [turn.agent_id, turn.from_seq, turn.to_seq])).toEqual([
      [disabled, 3, 4],
      [enabled, 2, 3],
    ]);
  });

  test('by one of the first 1,000 mentions', async () => {
    const agent = agentWith('enabled');
    const session = await agentGroup(fixture, 'mention', agent);
    const after = (count: number) => [...Array<string>(count).fill(alice), agent];
    const verdicts = await append(
      [999, 1_000].map((count) =>
        identify(draft(session, 'x', { metadataJson: JSON.stringify({ mentions: after(count) }) })),
      ),
    );
    expect(verdicts.map(({ woke }) => woke)).toEqual(['turn', null]);
  });

  test('by a message that is stored, not by one that is refused or stored before', async () => {
    const session = await directSession(fixture.db, agentWith('enabled'));
    const [first, again, other] = ['x', 'x', 'y'].map((text) =>
      identify(draft(session, text, { clientId: 'k' })),
    ) as [IdentifiedDraft, IdentifiedDraft, IdentifiedDraft];
    const stranger = identify(draft(session, 'x', { senderId: parseParticipantId('user:stranger')! }));
    await append([first]);
    const verdicts = await append([again, other, stranger]);
    expect(verdicts.map(({ outcome, woke }) => [outcome, woke])).toEqual([
      ['duplicate', null],
      ['conflict', null],
      ['not_a_member', null],
    ]);
    expect(await turnsOf(fixture.db, session)).toMatchObject([{ from_seq: 1, to_seq: 1 }]);
  });

  test('once by a message that an attempt of unknown outcome has stored, and whoever resubmits it is told', async () => {
    const session = await directSession(fixture.db, agentWith('enabled'));
    const one = identify(draft(session, 'x'));
    await append([one]);
    expect(await append([one], true)).toMatchObject([{ outcome: 'already_stored', woke: 'turn' }]);
    expect(await turnsOf(fixture.db, session)).toMatchObject([{ from_seq: 1, to_seq: 1 }]);
  });
});

test('of a session that is taken for one without agents no draft is judged, not even what was stored before', async () => {
  const [session, plain] = [await directSession(fixture.db, agentWith('enabled')), await fixture.session()];
  const [stored, again, fresh] = ['x', 'x', 'y'].map((text, index) =>
    identify(draft(session, text, { clientId: `${index >> 1}` })),
  ) as [IdentifiedDraft, IdentifiedDraft, IdentifiedDraft];
  await append([stored]);
  const batch = [stored, identify(draft(plain, 'x')), again, fresh];
  const options = { hopLimit: 20, failpoints: new Failpoints(), resubmitted: true, hasAgents: () => false };
  const verdicts = await appendBatch(client, batch, options);
  expect(verdicts.map((verdict) => verdict?.outcome)).toEqual([undefined, 'stored', undefined, undefined]);
  expect(await fixture.log(session)).toHaveLength(1);
  expect((await append(batch, true)).map(({ outcome }) => outcome)).toEqual([
    'already_stored',
    'already_stored',
    'duplicate',
    'stored',
  ]);
});

function agentWith(endpoint: (typeof endpoints)[number]): ParticipantId {
  return parseParticipantId(`agent:${endpoint}`)!;
}

function addSession(kind: (typeof kinds)[number], agent: ParticipantId): Promise<SessionId> {
  return kind === 'agent_dm'
    ? directSession(fixture.db, agent)
    : agentGroup(fixture, 'always', agent, helper);
}

function toDraft(
  session: SessionId,
  agent: ParticipantId,
  { sender, kind, mention }: Message,
): IdentifiedDraft {
  const senderId = { 'a person': alice, 'the agent': agent, 'another agent': helper }[sender];
  const metadataJson = JSON.stringify({ mentions: mentions[mention](agent) });
  // Whoever is no member is let in, as the sender of a system message is: this is about who hears it.
  return identify(draft(session, 'x', { senderId, kind, metadataJson, bypassMembership: true }));
}

function identify(one: ReturnType<typeof draft>): IdentifiedDraft {
  return { ...one, id: newId() as MessageId };
}

async function append(drafts: readonly IdentifiedDraft[], resubmitted = false): Promise<Verdict[]> {
  const options = { hopLimit: 20, failpoints: new Failpoints(), resubmitted, hasAgents: () => true };
  return (await appendBatch(client, drafts, options)).map((verdict) => verdict!);
}
