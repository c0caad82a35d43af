import type { MessageId, ParticipantId, SessionId } from '@fleetlm/protocol';
import { quietLog, waitUntil } from '@fleetlm/testkit';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/config.ts';
import type { InboxReader } from '../../src/inbox/inbox-server.ts';
import { InboxSupervisor } from '../../src/inbox/inbox-supervisor.ts';
import { Metrics } from '../../src/observability/metrics.ts';
import type { Broadcast } from '../../src/pubsub/broadcast.ts';
import { LocalPubSub } from '../../src/pubsub/local-pubsub.ts';
import { SessionSupervisor } from '../../src/sessions/session-supervisor.ts';
import type { Db } from '../../src/storage/database.ts';
import { StreamRegistry } from '../../src/streams/stream-registry.ts';
import { alice, createFixture, draft, type Fixture, listener } from '../conversation/fixtures.ts';
import { RecordingReader } from '../sessions/fixtures.ts';

/** Counts what goes over the bus. */
class CountingPubSub extends LocalPubSub {
  readonly sent: Broadcast[] = [];

  override broadcast(broadcast: Broadcast): void {
    this.sent.push(broadcast);
    super.broadcast(broadcast);
  }
}

const crowd = Array.from({ length: 999 }, (_, n) => `user:crowd-${n}` as ParticipantId);
const followers = crowd.slice(0, 10);

let fixture: Fixture;
let pubsub: CountingPubSub;
let inboxes: InboxSupervisor;
let sessions: SessionSupervisor;
let sessionId: SessionId;
let statements: string[];

beforeEach(async () => {
  fixture = await createFixture();
  await sql`insert into participants (id, kind) select unnest(${crowd}::text[]), 'user'`.execute(
    fixture.db.kysely,
  );
  sessionId = await fixture.session([alice, ...crowd]);
  const metrics = new Metrics();
  pubsub = new CountingPubSub(metrics);
  statements = [];
  const db: Db = {
    ...fixture.db,
    query: (statement, values) => {
      statements.push(statement.name);
      return fixture.db.query(statement, values);
    },
  };
  const { cache } = parseConfig({});
  const options = { db, pubsub, idleMs: 60_000, cache, unwritten: () => [], metrics, log: quietLog };
  inboxes = new InboxSupervisor(options);
  sessions = new SessionSupervisor({ ...options, streams: new StreamRegistry({ pubsub, metrics }) });
  fixture.appender.listen(
    listener({
      committed: (messages) => {
        sessions.committed(messages);
        inboxes.committed(messages);
      },
    }),
  );
});
afterEach(async () => {
  await inboxes.stop();
  sessions.stop();
  await fixture[Symbol.asyncDispose]();
});

test('a burst in a group of 1,000 costs each followed inbox one update a flush, and nobody else anything', async () => {
  const updates = new Map<ParticipantId, Broadcast[]>();
  for (const id of followers) {
    const heard: Broadcast[] = [];
    updates.set(id, heard);
    const reader: InboxReader = { deliver: (broadcast) => void heard.push(broadcast), failed: () => {} };
    (await inboxes.use(id)).attach(reader);
  }
  statements.length = 0;
  await Promise.all(Array.from({ length: 200 }, (_, n) => fixture.append(draft(sessionId, `text ${n}`))));
  const unreadOf = (broadcast: Broadcast | undefined) =>
    broadcast && JSON.parse(broadcast.payloadJson).conversations[0].unread_count;
  for (const heard of updates.values()) await waitUntil(() => unreadOf(heard.at(-1)) === 200);
  const flushes = updates.get(followers[0]!)!.length;
  expect(flushes).toBeLessThan(20);
  expect(pubsub.sent).toHaveLength(flushes * followers.length);
  expect(statements).toEqual(['inbox-memberships']);
});

test('900 readers of a large group cost nothing on the bus, and a second one event per reader at most in a small one', async () => {
  const server = await sessions.use(sessionId);
  const reader = new RecordingReader();
  server.attach(reader, crowd[0]!).start(0);
  for (const [index, participantId] of crowd.slice(0, 900).entries()) {
    const receipt = { participantId, lastReadSeq: index, lastReadAt: null, audience: 'reader' } as const;
    sessions.receipt(sessionId, receipt);
  }
  await waitUntil(() => reader.seqs.length === 1);
  expect(pubsub.sent).toEqual([]);
  for (const lastReadSeq of [1, 2, 3]) {
    for (const participantId of followers)
      sessions.receipt(sessionId, { participantId, lastReadSeq, lastReadAt: null, audience: 'everybody' });
  }
  await waitUntil(() => reader.seqs.length === 11);
  expect(pubsub.sent.map((broadcast) => JSON.parse(broadcast.payloadJson).last_read_seq)).toEqual(
    followers.map(() => 3),
  );
});

test('one change of members in a group of 1,000 is read once for all followed inboxes', async () => {
  const reader: InboxReader = { deliver: () => {}, failed: () => {} };
  for (const id of followers) (await inboxes.use(id)).attach(reader);
  inboxes.changed(sessionId);
  inboxes.read(sessionId, readOf(crowd[500]!));
  statements.length = 0;
  await waitUntil(() => pubsub.sent.length === followers.length);
  expect(statements).toEqual(['inbox-memberships', 'inbox-entries']);
});

function readOf(participantId: ParticipantId) {
  return {
    participantId,
    cursor: { seq: 0, messageId: null as MessageId | null, at: null },
    ownSentThroughRead: 0,
  };
}
