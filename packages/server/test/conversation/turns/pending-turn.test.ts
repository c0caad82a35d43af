import { parseParticipantId, type SessionId } from '@fleetlm/protocol';
import type { Client } from 'pg';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { draft, type Fixture, listener } from '../fixtures.ts';
import {
  addAgents,
  addEndpoint,
  agentGroup,
  bot,
  claim,
  directSession,
  turnsOf,
  untilAppendsWait,
} from './turn-fixture.ts';
import { useTurnFixture } from './use-turn-fixture.ts';

const slow = parseParticipantId('agent:slow')!;
const slowDebounceMs = 60_000;

let fixture: Fixture;
let admin: Client;

useTurnFixture((world) => {
  ({ fixture, admin } = world);
});

beforeAll(async () => {
  await addAgents(fixture.db, slow);
  await addEndpoint(fixture.db, slow, slowDebounceMs);
});

describe('a pending turn', () => {
  const woken: SessionId[][] = [];

  beforeEach(() => {
    woken.length = 0;
    fixture.appender.listen(listener({ woke: (sessionIds) => woken.push([...sessionIds]) }));
  });

  test('takes in what comes before it is claimed; what comes later makes the next', async () => {
    const session = await directSession(fixture.db);
    for (const text of ['one', 'two']) await fixture.append(draft(session, text));
    const first = await claim(fixture.db, session, bot);
    for (const text of ['three', 'four']) await fixture.append(draft(session, text));

    const turns = await turnsOf(fixture.db, session);
    expect(turns).toMatchObject([
      { id: first, from_seq: 1, to_seq: 2, status: 'running' },
      { from_seq: 3, to_seq: 4, status: 'pending' },
    ]);
    expect(turns.map((turn) => turn.id)).toEqual(
      turns.map(() => expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/)),
    );
    expect(woken).toEqual(Array(4).fill([session]));
  });

  test('waits for its debounce, put off by each message up to ten times its length', async () => {
    const session = await agentGroup(fixture, 'always', slow);
    await fixture.append(draft(session, 'one'));
    expect(await waitsMs(session)).toEqual({ fromNow: slowDebounceMs, fromStart: slowDebounceMs });

    await age(session, 2 * slowDebounceMs);
    await fixture.append(draft(session, 'two'));
    expect(await waitsMs(session)).toMatchObject({ fromNow: slowDebounceMs });

    await age(session, 7.5 * slowDebounceMs);
    await fixture.append(draft(session, 'three'));
    expect(await waitsMs(session)).toMatchObject({ fromStart: 10 * slowDebounceMs });

    await age(session, 100 * slowDebounceMs);
    await fixture.append(draft(session, 'four'));
    expect(await waitsMs(session)).toMatchObject({ fromStart: 10 * slowDebounceMs });
    expect(await turnsOf(fixture.db, session)).toMatchObject([{ from_seq: 1, to_seq: 4 }]);
  });

  test('without a debounce is due at once', async () => {
    const session = await directSession(fixture.db);
    for (const text of ['one', 'two']) await fixture.append(draft(session, text));
    expect(await waitsMs(session)).toMatchObject({ fromStart: 0 });
  });

  test.each([
    [
      'claimed',
      'commit',
      [
        [1, 1, 'running'],
        [2, 2, 'pending'],
      ],
    ],
    ['not claimed after all', 'rollback', [[1, 2, 'pending']]],
  ])('that is being claimed is waited for: %s', async (_, end, expected) => {
    const session = await directSession(fixture.db);
    await fixture.append(draft(session, 'one'));
    await admin.query('begin');
    await admin.query(`update agent_turns set status = 'running' where session_id = $1`, [session]);
    const outcome = fixture.append(draft(session, 'two'));
    await untilAppendsWait(fixture, 1);
    await admin.query(end);

    expect((await outcome).kind).toBe('stored');
    const turns = await turnsOf(fixture.db, session);
    expect(turns.map((turn) => [turn.from_seq, turn.to_seq, turn.status])).toEqual(expected);
  });

  test('is kept by no message that could not be stored', async () => {
    const session = await directSession(fixture.db);
    const texts = ['"one"', 'broken', '"two"'];
    await Promise.all(
      texts.map((text) => fixture.append(draft(session, '', { contentJson: `{"text":${text}}` }))),
    );
    expect(await turnsOf(fixture.db, session)).toMatchObject([{ from_seq: 1, to_seq: 2 }]);
  });

  async function age(session: SessionId, ms: number): Promise<void> {
    await admin.query(
      `update agent_turns set inserted_at = inserted_at - $2 * interval '1 ms' where session_id = $1`,
      [session, ms],
    );
  }

  /** When the turn is due, from the newest message and from its own beginning. */
  async function waitsMs(session: SessionId): Promise<object> {
    const { rows } = await admin.query(
      `select
         round(extract(epoch from next_attempt_at - updated_at) * 1000)::integer as "fromNow",
         round(extract(epoch from next_attempt_at - inserted_at) * 1000)::integer as "fromStart"
       from agent_turns where session_id = $1`,
      [session],
    );
    return rows[0];
  }
});
