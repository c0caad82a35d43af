import { type ParticipantId, parseParticipantId, type SessionId } from '@fleetlm/protocol';
import { quietLog, type TestDatabase, testDatabase } from '@fleetlm/testkit';
import { parseConfig } from '../../src/config/config.ts';
import {
  Appender,
  type AppenderOptions,
  type AppendListener,
} from '../../src/conversation/append/appender.ts';
import type { Draft, Outcome } from '../../src/conversation/append/draft.ts';
import { upsertParticipant } from '../../src/conversation/participants.ts';
import { createSession } from '../../src/conversation/sessions.ts';
import { Failpoints } from '../../src/lib/failpoints.ts';
import { Metrics } from '../../src/observability/metrics.ts';
import type { ConnectionTarget } from '../../src/storage/connection.ts';
import { type Db, openDatabase } from '../../src/storage/database.ts';

export const alice = parseParticipantId('user:alice')!;
export const bob = parseParticipantId('user:bob')!;
export const carol = parseParticipantId('user:carol')!;
export const stranger = parseParticipantId('user:stranger')!;

/** A database with some people, and an appender on it. */
export interface Fixture extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly db: Db;
  readonly appender: Appender;
  /** A session of alice and bob, or of the given members. */
  session(members?: readonly ParticipantId[]): Promise<SessionId>;
  append(draft: Draft): Promise<Outcome>;
  /** The session's log as `[seq, sender, content]`. */
  log(sessionId: SessionId): Promise<[number, string, unknown][]>;
}

export type FixtureOptions = Partial<AppenderOptions> & { readonly env?: Record<string, string> };

/** A started appender, as a node has it. */
export async function createAppender(
  target: ConnectionTarget,
  { env = {}, ...overrides }: FixtureOptions = {},
): Promise<Appender> {
  const { append: limits } = parseConfig(env);
  const appender = new Appender({
    target,
    limits,
    log: quietLog,
    failpoints: new Failpoints(),
    metrics: new Metrics(),
    ...overrides,
  });
  await appender.start();
  return appender;
}

export async function createFixture(options: FixtureOptions = {}): Promise<Fixture> {
  const resources = new AsyncDisposableStack();
  const database = resources.use(await testDatabase());
  const db = openDatabase(database.target, 10, quietLog);
  resources.defer(() => db.close());
  for (const id of [alice, bob, carol, stranger]) await upsertParticipant(db.kysely, id, {});
  const appender = await createAppender(database.target, options);
  resources.defer(() => appender.stop());
  return {
    database,
    db,
    appender,
    session: (members = [alice, bob]) =>
      createSession(db.kysely, {
        kind: 'group',
        initiatorId: members[0]!,
        peerId: null,
        agentId: null,
        memberIds: members.slice(1),
        metadata: {},
      }),
    append: (draft) => new Promise((resolve) => appender.append(draft, resolve)),
    async log(sessionId) {
      const rows = await db.kysely
        .selectFrom('chat_messages')
        .select(['seq', 'sender_id', 'content'])
        .where('session_id', '=', sessionId)
        .orderBy('seq')
        .execute();
      return rows.map((row) => [row.seq, row.sender_id, row.content]);
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** A listener that hears only what `parts` name. */
export function listener(parts: Partial<AppendListener>): AppendListener {
  return { committed: () => {}, woke: () => {}, hopLimitReached: () => {}, reached: () => {}, ...parts };
}

/** A draft of alice's saying `text`. */
export function draft(sessionId: SessionId, text: string, more: Partial<Draft> = {}): Draft {
  return {
    id: null,
    sessionId,
    senderId: alice,
    kind: 'text',
    contentJson: JSON.stringify({ text }),
    metadataJson: '{}',
    clientId: null,
    bypassMembership: false,
    turn: null,
    trace: null,
    ...more,
  };
}
