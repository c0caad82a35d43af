import type { MessageId, SessionId, TurnId } from '@fleetlm/protocol';
import { Client } from 'pg';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Outcome, TurnReply } from '../../../src/conversation/append/draft.ts';
import { changeSession } from '../../../src/conversation/sessions.ts';
import { Failpoints } from '../../../src/lib/failpoints.ts';
import { createAppender, draft, type Fixture } from '../fixtures.ts';
import { addTurn, directSession, reply, untilAppendsWait } from './turn-fixture.ts';
import { useTurnFixture } from './use-turn-fixture.ts';

let fixture: Fixture;
let admin: Client;

useTurnFixture((world) => {
  ({ fixture, admin } = world);
});

describe('a reply', () => {
  let session: SessionId;
  let turnId: TurnId;

  beforeEach(async () => {
    session = await directSession(fixture.db);
    turnId = await addTurn(fixture.db, session, { hop: 2 });
  });

  test.each([
    ['completed', null],
    ['failed', 'the agent said so'],
    ['stopped', null],
    ['dead', 'HTTP 500'],
  ] as const)('ends its turn as %s', async (endsAs, error) => {
    const outcome = await fixture.append(reply(session, { turnId, endsAs, error }));

    expect(outcome).toMatchObject({ kind: 'stored', message: { seq: 1 } });
    expect(await turn()).toMatchObject({
      status: endsAs,
      error,
      reply_seq: 1,
      lease_owner: null,
      lease_until: null,
    });
  });

  test('has the id of its stream, whose segments go with the end of the turn', async () => {
    const id = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as MessageId;
    await admin.query(`update agent_turns set stream_id = 'its own' where id = $1`, [turnId]);
    for (const stream of ['its own', 'another']) await saveStream(stream);

    const outcome = await fixture.append(reply(session, { turnId }, { id }));
    expect(outcome).toMatchObject({ kind: 'stored', message: { fields: { id } } });
    const { rows } = await admin.query('select distinct stream_id from agent_stream_segments');
    expect(rows).toEqual([{ stream_id: 'another' }]);
  });

  test('that is not the last leaves it running', async () => {
    await fixture.append(reply(session, { turnId, endsAs: null }));
    expect(await turn()).toMatchObject({ status: 'running', reply_seq: null, lease_owner: 'node' });
    const last = reply(session, { turnId }, { clientId: `turn:${turnId}:1` });
    expect(await fixture.append(last)).toMatchObject({ kind: 'stored' });
    expect(await turn()).toMatchObject({ status: 'completed', reply_seq: 2 });
  });

  test.each<[string, string, Partial<TurnReply>]>([
    ['has ended', `status = 'completed'`, {}],
    ['has died', `status = 'dead'`, { endsAs: 'stopped' }],
    ['waits', `status = 'pending'`, {}],
    ['runs in a later epoch', 'epoch = 2', {}],
    ['is to stop', 'stop_requested_at = now()', {}],
    ['is to stop, and more would follow', 'stop_requested_at = now()', { endsAs: null }],
    ['belongs to another session', `session_id = 'elsewhere'`, {}],
    ['does not exist', `id = 'other' || session_id`, {}],
  ])('to a turn that %s is not stored, and ends nothing', async (_, change, more) => {
    await admin.query(`update agent_turns set ${change} where id = $1`, [turnId]);
    const before = await allTurns();
    expect(await fixture.append(reply(session, { turnId, ...more }))).toEqual({ kind: 'turn_ended' });
    expect(await fixture.log(session)).toEqual([]);
    expect(await allTurns()).toEqual(before);
  });

  test('to a turn that is to stop may end it as stopped', async () => {
    await admin.query('update agent_turns set stop_requested_at = now() where id = $1', [turnId]);
    expect((await fixture.append(reply(session, { turnId, endsAs: 'stopped' }))).kind).toBe('stored');
    expect(await turn()).toMatchObject({ status: 'stopped', reply_seq: 1 });
  });

  test.each([
    [
      'no member',
      'not_a_member',
      () => admin.query('update session_members set left_at = now() where session_id = $1', [session]),
    ],
    ['closed', 'session_closed', () => changeSession(fixture.db.kysely, session, { status: 'closed' })],
  ])('is told what bars its sender first, and then ends nothing: %s', async (_, kind, bar) => {
    await bar();
    await admin.query('update agent_turns set stop_requested_at = now() where id = $1', [turnId]);
    expect(await fixture.append(reply(session, { turnId }))).toEqual({ kind });
    expect(await turn()).toMatchObject({ status: 'running' });
  });

  test.each<[string, string, string]>([
    ['duplicate', 'duplicate', '{"text":"an answer"}'],
    ['conflict', 'conflict', '{"text":"another answer"}'],
  ])('that an earlier epoch has stored ends the turn as a %s', async (_, kind, contentJson) => {
    await fixture.append(reply(session, { turnId, endsAs: null }));
    await fixture.append(draft(session, 'meanwhile'));
    await admin.query('update agent_turns set epoch = 2 where id = $1', [turnId]);
    const again = (epoch: number) => fixture.append(reply(session, { turnId, epoch }, { contentJson }));

    expect((await again(1)).kind).toBe(kind);
    expect(await turn()).toMatchObject({ status: 'running' });
    expect((await again(2)).kind).toBe(kind);
    expect(await turn()).toMatchObject({ status: 'completed', reply_seq: 1 });
    expect(await fixture.log(session)).toHaveLength(2);
  });

  test('that was stored before ends a turn that is to stop as stopped, whatever it says', async () => {
    await fixture.append(reply(session, { turnId, endsAs: null }));
    await admin.query('update agent_turns set stop_requested_at = now() where id = $1', [turnId]);
    expect((await fixture.append(reply(session, { turnId }))).kind).toBe('duplicate');
    expect(await turn()).toMatchObject({ status: 'stopped', reply_seq: 1 });
  });

  test('that follows itself in flight ends the turn too', async () => {
    const [first, second] = await Promise.all([
      fixture.append(reply(session, { turnId, endsAs: null })),
      fixture.append(reply(session, { turnId })),
    ]);
    expect([first.kind, second.kind]).toEqual(['stored', 'duplicate']);
    expect(await turn()).toMatchObject({ status: 'completed', reply_seq: 1 });
  });

  test.each(['before_commit', 'after_commit_before_ack'])(
    'of unknown outcome (%s) is stored once and ends the turn once',
    async (point) => {
      const appender = await createAppender(fixture.database.target, {
        failpoints: new Failpoints(`${point}=throw@0.5;seed=3`),
      });
      await admin.query('delete from agent_turns where id = $1', [turnId]);
      for (let round = 0; round < 6; round++) {
        turnId = await addTurn(fixture.db, session, { hop: 1 });
        const outcome = await new Promise<Outcome>((resolve) =>
          appender.append(reply(session, { turnId }), resolve),
        );
        expect(outcome).toMatchObject({ kind: 'stored', message: { seq: round + 1 } });
        expect(await turn()).toMatchObject({ status: 'completed', reply_seq: round + 1 });
      }
      await appender.stop();
    },
  );

  test.each([
    ['the reply comes too late', 'commit', 'turn_ended', []],
    ['the reply stands', 'rollback', 'stored', [1]],
  ])('waits for a stop that is being committed: %s', async (_, end, kind, seqs) => {
    await admin.query('begin');
    await admin.query('update agent_turns set stop_requested_at = now() where id = $1', [turnId]);
    const outcome = fixture.append(reply(session, { turnId }));
    await untilAppendsWait(fixture, 1);
    await admin.query(end);
    expect((await outcome).kind).toBe(kind);
    expect((await fixture.log(session)).map(([seq]) => seq)).toEqual(seqs);
  });

  test('waits for it also behind a session that somebody held', async () => {
    const stop = new Client(fixture.database.target);
    await stop.connect();
    await admin.query('begin');
    await admin.query('select from chat_sessions where id = $1 for update', [session]);
    const outcome = fixture.append(reply(session, { turnId }));
    // It waits no longer: it goes around.
    await untilAppendsWait(fixture, 1);
    await untilAppendsWait(fixture, 0);
    await stop.query('begin');
    await stop.query('update agent_turns set stop_requested_at = now() where id = $1', [turnId]);
    await admin.query('commit');
    await untilAppendsWait(fixture, 1);
    await stop.query('commit');
    expect(await outcome).toEqual({ kind: 'turn_ended' });
    await stop.end();
  });

  test('commits with the end of its turn, or not at all', async () => {
    await admin.query(`
      create function refuse() returns trigger language plpgsql as $$ begin perform 1 / 0; return new; end $$;
      create trigger refuse before update on agent_turns for each row when (new.status = 'completed')
        execute function refuse();
    `);
    expect((await fixture.append(reply(session, { turnId }))).kind).toBe('invalid');
    await admin.query('drop function refuse cascade');
    expect(await fixture.log(session)).toEqual([]);
    expect(await turn()).toMatchObject({ status: 'running' });
  });

  function turn() {
    return fixture.db.kysely
      .selectFrom('agent_turns')
      .selectAll()
      .where('id', '=', turnId)
      .executeTakeFirstOrThrow();
  }

  function allTurns() {
    return fixture.db.kysely.selectFrom('agent_turns').selectAll().orderBy('id').execute();
  }

  async function saveStream(streamId: string): Promise<void> {
    await admin.query(
      `insert into agent_stream_segments (stream_id, first_index, next_index, chunks)
       values ($1, 0, 1, '[]'), ($1, 1, 2, '[]')`,
      [streamId],
    );
  }
});
