import type { SessionId } from '@fleetlm/protocol';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Appender } from '../../../src/conversation/append/appender.ts';
import type { Draft, Outcome } from '../../../src/conversation/append/draft.ts';
import { KnownAgentSessions } from '../../../src/conversation/append/known-agent-sessions.ts';
import { addMember } from '../../../src/conversation/members.ts';
import { Failpoints } from '../../../src/lib/failpoints.ts';
import { Metrics } from '../../../src/observability/metrics.ts';
import { bob, createAppender, createFixture, draft, type Fixture, type FixtureOptions } from '../fixtures.ts';
import {
  addAgents,
  addEndpoint,
  addTurn,
  bot,
  directSession,
  reply,
  turnsOf,
  untilAppendsWait,
} from './turn-fixture.ts';

let fixture: Fixture;
let holder: Client;
/** Each test begins with a node that knows of no session with agents. */
let node: CountingNode;

beforeAll(async () => {
  fixture = await createFixture();
  await addAgents(fixture.db, bot);
  await addEndpoint(fixture.db, bot);
  holder = new Client(fixture.database.target);
  await holder.connect();
});

afterAll(async () => {
  await holder.end();
  await fixture[Symbol.asyncDispose]();
});

beforeEach(async () => {
  node = await startNode();
});

afterEach(() => node.appender.stop());

describe('a session that has agents, of which its node does not know', () => {
  test('takes one transaction more, once, and its drafts stay in order', async () => {
    const session = await directSession(fixture.db);
    const texts = Array.from({ length: 40 }, (_, index) => `${index}`);
    const outcomes = await appendAll(
      node,
      texts.map((text) => draft(session, text)),
    );

    expect(outcomes).toMatchObject(
      texts.map((_, index) => ({ kind: 'stored', message: { seq: index + 1 } })),
    );
    expect(await textsOf(session)).toEqual(texts);
    expect(await turnsOf(fixture.db, session)).toMatchObject([{ from_seq: 1, to_seq: 40 }]);
    expect(node.commits()).toBe(2);
    await appendAll(node, [draft(session, 'known')]);
    expect(node.commits()).toBe(3);
  });

  test('goes before what came meanwhile', async () => {
    const session = await directSession(fixture.db);
    await holdSession(session);
    const first = appendAll(node, [draft(session, 'first')]);
    await untilAppendsWait(fixture, 1);
    const second = appendAll(node, [draft(session, 'second'), draft(session, 'third')]);
    await holder.query('commit');
    await Promise.all([first, second]);
    expect(await textsOf(session)).toEqual(['first', 'second', 'third']);
    // Mistaken, again, and the next batch.
    expect(node.commits()).toBe(3);
  });

  test('shares its batch with others, which are stored with the first transaction', async () => {
    const [first, plain, second] = [
      await directSession(fixture.db),
      await fixture.session(),
      await directSession(fixture.db),
    ];
    await appendAll(node, [draft(first, 'now it is known')]);
    const settled: string[] = [];
    await Promise.all(
      [first, plain, second, plain, first].map((session, index) =>
        append(node, draft(session, `${index}`)).then(() => settled.push(`${index}`)),
      ),
    );
    expect(settled).toEqual(['0', '1', '3', '4', '2']);
    expect(await textsOf(plain)).toEqual(['1', '3']);
    expect(await turnsOf(fixture.db, first)).toMatchObject([{ from_seq: 1, to_seq: 3 }]);
    expect(await turnsOf(fixture.db, second)).toMatchObject([{ from_seq: 1, to_seq: 1 }]);
    expect(node.commits()).toBe(4);
  });

  test('does so on the detour too', async () => {
    await node.appender.stop();
    node = await startNode({ env: { FLEETLM_APPEND_LOCK_TIMEOUT_MS: '50' } });
    const session = await directSession(fixture.db);
    await holdSession(session);
    const waiting = ['1', '2', '3'].map((text) => append(node, draft(session, text)));
    await untilAppendsWait(fixture, 1);
    await untilAppendsWait(fixture, 0);
    waiting.push(append(node, draft(session, '4')));
    await holder.query('commit');
    expect(await Promise.all(waiting)).toMatchObject([1, 2, 3, 4].map((seq) => ({ message: { seq } })));
    expect(await textsOf(session)).toEqual(['1', '2', '3', '4']);
    expect(await turnsOf(fixture.db, session)).toMatchObject([{ from_seq: 1, to_seq: 4 }]);
  });

  test('is found by each of two nodes', async () => {
    const other = await startNode();
    const session = await directSession(fixture.db);
    for (const [index, one] of [node, other, node, other].entries()) {
      expect((await append(one, draft(session, `${index}`))).kind).toBe('stored');
    }
    expect(await turnsOf(fixture.db, session)).toMatchObject([{ from_seq: 1, to_seq: 4 }]);
    expect([node.commits(), other.commits()]).toEqual([3, 3]);
    await other.appender.stop();
  });

  test('is told apart from one that got its first agent just now', async () => {
    const session = await fixture.session();
    await append(node, draft(session, 'among people'));
    await addMember(fixture.db.kysely, session, bot, { wake: 'always', maxMembers: 10 });
    await append(node, draft(session, 'hello'));
    expect(await turnsOf(fixture.db, session)).toMatchObject([{ from_seq: 2, to_seq: 2 }]);
    expect(node.commits()).toBe(3);
  });

  test('is known by a reply, whose batch takes no transaction more', async () => {
    const session = await directSession(fixture.db);
    const turnId = await addTurn(fixture.db, session);
    const outcomes = await appendAll(node, [draft(session, 'before'), reply(session, { turnId })]);
    expect(outcomes).toMatchObject([{ message: { seq: 1 } }, { message: { seq: 2 } }]);
    expect(node.commits()).toBe(1);
  });

  test('is told what bars its senders, and stores no retry twice', async () => {
    const session = await directSession(fixture.db);
    const retried = draft(session, 'x', { clientId: 'k' });
    await append(node, retried);
    const other = await startNode();
    const outcomes = await appendAll(other, [
      retried,
      draft(session, 'y', { senderId: bob }),
      draft(session, 'z'),
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['duplicate', 'not_a_member', 'stored']);
    expect(await textsOf(session)).toEqual(['x', 'z']);
    await other.appender.stop();
  });
});

describe('a node that forgets sessions with agents', () => {
  test('finds them again, however many are in one batch', async () => {
    await node.appender.stop();
    node = await startNode({ agentSessions: new KnownAgentSessions(1) });
    const sessions = await Promise.all([1, 2, 3].map(() => directSession(fixture.db)));
    for (const round of ['1', '2']) {
      const outcomes = await appendAll(
        node,
        sessions.map((session) => draft(session, round)),
      );
      expect(outcomes.map(({ kind }) => kind)).toEqual(['stored', 'stored', 'stored']);
    }
    // What was just found is not forgotten before it is stored.
    expect(node.commits()).toBe(4);
    for (const session of sessions) {
      expect(await textsOf(session)).toEqual(['1', '2']);
      expect(await turnsOf(fixture.db, session)).toMatchObject([{ from_seq: 1, to_seq: 2 }]);
    }
  });

  test('remembers those that were asked for last', () => {
    const known = new KnownAgentSessions(2);
    const [one, two, three] = ['1', '2', '3'] as SessionId[] as [SessionId, SessionId, SessionId];
    for (const session of [one, two, two]) known.add(session);
    expect(known.has(one)).toBe(true);
    known.add(three);
    expect([one, two, three].map((session) => known.has(session))).toEqual([true, false, true]);
  });
});

test.each(['before_commit=throw@0.5;seed=5', 'after_commit_before_ack=throw@0.5;seed=3'])(
  'an outcome that is unknown in between (%s): each draft is stored once, in order, and wakes the agent',
  async (failpoints) => {
    await node.appender.stop();
    // It forgets each session at the next, so that each step is of two transactions again.
    node = await startNode({
      failpoints: new Failpoints(failpoints),
      agentSessions: new KnownAgentSessions(1),
    });
    const sessions = [await directSession(fixture.db), await directSession(fixture.db)];
    for (const round of ['1', '2', '3', '4']) {
      for (const session of sessions) {
        const drafts = ['a', 'b'].map((text) => draft(session, `${round}${text}`));
        expect((await appendAll(node, drafts)).map(({ kind }) => kind)).toEqual(['stored', 'stored']);
      }
    }
    for (const session of sessions) {
      expect(await textsOf(session)).toEqual(['1a', '1b', '2a', '2b', '3a', '3b', '4a', '4b']);
      expect(await turnsOf(fixture.db, session)).toMatchObject([{ from_seq: 1, to_seq: 8 }]);
    }
  },
);

interface CountingNode {
  readonly appender: Appender;
  /** Transactions that have committed. */
  commits(): number;
}

/** A node with one lane, so that what is sent at once is one batch; it waits for locks as a rule. */
async function startNode({ env, ...options }: FixtureOptions = {}): Promise<CountingNode> {
  let commits = 0;
  class CountingMetrics extends Metrics {
    override batchCommitted(): void {
      commits += 1;
    }
  }
  const appender = await createAppender(fixture.database.target, {
    env: { FLEETLM_APPEND_LANES: '1', FLEETLM_APPEND_LOCK_TIMEOUT_MS: '4000', ...env },
    metrics: new CountingMetrics(),
    ...options,
  });
  return { appender, commits: () => commits };
}

function append({ appender }: CountingNode, one: Draft): Promise<Outcome> {
  return new Promise((resolve) => appender.append(one, resolve));
}

function appendAll(on: CountingNode, drafts: readonly Draft[]): Promise<Outcome[]> {
  return Promise.all(drafts.map((one) => append(on, one)));
}

async function holdSession(session: SessionId): Promise<void> {
  await holder.query('begin');
  await holder.query('select from chat_sessions where id = $1 for update', [session]);
}

async function textsOf(session: SessionId): Promise<string[]> {
  return (await fixture.log(session)).map(([, , content]) => (content as { text: string }).text);
}
