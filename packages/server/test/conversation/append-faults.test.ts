import type { SessionId, TurnId } from '@fleetlm/protocol';
import { quietLog, waitUntil } from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/conversation/append/draft.ts';
import { Failpoints } from '../../src/lib/failpoints.ts';
import {
  createAppender,
  createFixture,
  draft,
  type Fixture,
  type FixtureOptions,
  listener,
} from './fixtures.ts';

let fixture: Fixture;
let admin: Client;

async function open(options: FixtureOptions = {}): Promise<void> {
  fixture = await createFixture(options);
  admin = new Client(fixture.database.target);
  await admin.connect();
}

/** A turn that runs in epoch 1. */
async function addTurn(session: SessionId): Promise<TurnId> {
  const { rows } = await admin.query<{ id: TurnId }>(
    `insert into agent_turns (id, agent_id, session_id, from_seq, to_seq, hop, status, epoch)
     values (make_ulid(now()), 'agent:bot', $1, 1, 1, 1, 'running', 1) returning id`,
    [session],
  );
  return rows[0]!.id;
}

afterEach(async () => {
  await admin.end();
  await fixture[Symbol.asyncDispose]();
});

describe('when it cannot be known whether an append committed', () => {
  test('a fault after the commit: the same message ids tell that it is stored, and it is acknowledged once', async () => {
    await open({ failpoints: new Failpoints('after_commit_before_ack=throw@0.5;seed=3') });
    const committed: number[] = [];
    fixture.appender.listen(
      listener({ committed: (messages) => committed.push(...messages.map((message) => message.seq)) }),
    );
    const session = await fixture.session();
    const outcomes = [];
    for (let index = 0; index < 20; index++) outcomes.push(await fixture.append(draft(session, `${index}`)));

    expect(outcomes.map((outcome) => outcome.kind)).toEqual(Array(20).fill('stored'));
    const log = await fixture.log(session);
    expect(log.map(([, , content]) => content)).toEqual(outcomes.map((_, index) => ({ text: `${index}` })));
    expect(committed).toEqual(log.map(([seq]) => seq));
  });

  test('a fault before the commit: nothing was stored, and it is stored once', async () => {
    await open({ failpoints: new Failpoints('before_commit=throw@0.5;seed=5') });
    const session = await fixture.session();
    const outcomes = [];
    for (let index = 0; index < 20; index++) outcomes.push(await fixture.append(draft(session, `${index}`)));
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(Array(20).fill('stored'));
    expect(await fixture.log(session)).toHaveLength(20);
  });

  test('backends that are terminated again and again lose and repeat nothing', async () => {
    await open();
    const session = await fixture.session();
    let terminated = 0;
    const terminator = (async () => {
      while (terminated < 20) {
        const { rowCount } = await admin.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where application_name = 'fleetlm-append' and datname = current_database() and state <> 'idle'`,
        );
        terminated += rowCount ?? 0;
      }
    })();
    const outcomes = await Promise.all(
      Array.from({ length: 2_000 }, async (_, index) => {
        await new Promise((resolve) => setTimeout(resolve, index / 4));
        return fixture.append(draft(session, `${index}`, { clientId: `${index}` }));
      }),
    );
    // On a busy machine they may be through before that many were terminated, which only happens while one works.
    for (let index = outcomes.length; terminated < 20; index++) {
      outcomes.push(await fixture.append(draft(session, `${index}`, { clientId: `${index}` })));
    }
    await terminator;

    const log = await fixture.log(session);
    expect(log.map(([seq]) => seq)).toEqual(log.map((_, index) => index + 1));
    const unsettled = outcomes.filter(
      (outcome) => outcome.kind === 'outcome_unknown' || outcome.kind === 'overloaded',
    );
    expect(outcomes.filter((outcome) => outcome.kind === 'stored').length + unsettled.length).toBe(
      outcomes.length,
    );
    expect(new Set(log.map(([, , content]) => (content as { text: string }).text)).size).toBe(log.length);
    const bySeq = new Map(log.map(([seq, , content]) => [seq, content]));
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.kind === 'stored') expect(bySeq.get(outcome.message.seq)).toEqual({ text: `${index}` });
    }
  });

  test('statements that are cancelled again and again: who is refused was not stored', async () => {
    await open();
    const sessions = await Promise.all([1, 2, 3].map(() => fixture.session()));
    let cancelling = true;
    const canceller = (async () => {
      while (cancelling) {
        await admin.query(
          `select pg_cancel_backend(pid) from pg_stat_activity
           where application_name = 'fleetlm-append' and datname = current_database()`,
        );
      }
    })();
    const outcomes: { text: string; outcome: Outcome }[] = [];
    for (let round = 0; round < 100; round++) {
      const texts = Array.from({ length: 20 }, (_, index) => `${round}-${index}`);
      const settled = await Promise.all(
        texts.map((text, index) => fixture.append(draft(sessions[index % 3]!, text, { clientId: text }))),
      );
      outcomes.push(...texts.map((text, index) => ({ text, outcome: settled[index]! })));
    }
    cancelling = false;
    await canceller;

    const logs = await Promise.all(sessions.map((session) => fixture.log(session)));
    const stored = new Set(logs.flat().map(([, , content]) => (content as { text: string }).text));
    for (const { text, outcome } of outcomes) {
      if (outcome.kind !== 'outcome_unknown')
        expect([text, stored.has(text)]).toEqual([text, outcome.kind === 'stored']);
    }
    expect(outcomes.some(({ outcome }) => outcome.kind === 'overloaded')).toBe(true);
    for (const log of logs) expect(log.map(([seq]) => seq)).toEqual(log.map((_, index) => index + 1));
  });

  test('when a statement fails, none behind it runs alone', async () => {
    let failures = 0;
    await open({
      log: { ...quietLog, warn: () => failures++ },
      env: { FLEETLM_APPEND_LOCK_TIMEOUT_MS: '50' },
    });
    const session = await fixture.session();
    const turn = await addTurn(session);
    await admin.query('begin');
    await admin.query('select from agent_turns where id = $1 for update', [turn]);
    const reply = { turnId: turn, epoch: 1, endsAs: 'completed', error: null } as const;
    const outcome = fixture.append(draft(session, 'x', { turn: reply }));
    await waitUntil(() => failures > 0);
    expect(await fixture.log(session)).toEqual([]);
    await admin.query('commit');
    expect(await outcome).toMatchObject({ kind: 'stored', message: { seq: 1 } });
  });

  test('past its deadline the sender is told "unknown", and a retry with the client_id settles it', async () => {
    // It is told after 1,050 ms at the latest, and the connection would be cut after 1,290.
    await open({
      failpoints: new Failpoints('before_commit=sleep(1150)'),
      env: {
        FLEETLM_APPEND_DEADLINE_MS: '300',
        FLEETLM_APPEND_STATEMENT_TIMEOUT_MS: '290',
        FLEETLM_APPEND_LOCK_TIMEOUT_MS: '100',
      },
    });
    const session = await fixture.session();
    const message = draft(session, 'x', { clientId: 'k' });
    expect(await fixture.append(message)).toEqual({ kind: 'outcome_unknown' });
    await waitUntil(async () => (await fixture.log(session)).length === 1);
    const otherNode = await createAppender(fixture.database.target);
    const retried = await new Promise((resolve) => otherNode.append(message, resolve));
    expect(retried).toMatchObject({ kind: 'duplicate', message: { seq: 1 } });
    await otherNode.stop();
  });
});

describe('bounds', () => {
  beforeEach(() => open({ env: { FLEETLM_APPEND_QUEUE_ROWS: '10', FLEETLM_APPEND_QUEUE_BYTES: '1000' } }));

  test('beyond the rows of the queue an append is refused at once, and the others are stored', async () => {
    const session = await fixture.session();
    const outcomes = await Promise.all(
      Array.from({ length: 15 }, (_, index) => fixture.append(draft(session, `${index}`))),
    );
    expect(outcomes.map((outcome) => outcome.kind)).toEqual([
      ...Array(10).fill('stored'),
      ...Array(5).fill('overloaded'),
    ]);
    expect((await fixture.append(draft(session, 'room again'))).kind).toBe('stored');
  });

  test('beyond its bytes too', async () => {
    const session = await fixture.session();
    const large = draft(session, 'x'.repeat(600));
    const outcomes = await Promise.all([fixture.append(large), fixture.append(large)]);
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(['stored', 'overloaded']);
    expect(fixture.appender.pendingRows).toBe(0);
  });

  test('a drain refuses new ones and finishes the others', async () => {
    const session = await fixture.session();
    const before = fixture.append(draft(session, 'before'));
    const drained = fixture.appender.drain();
    expect(await fixture.append(draft(session, 'after'))).toEqual({ kind: 'overloaded' });
    await drained;
    expect((await before).kind).toBe('stored');
  });
});
