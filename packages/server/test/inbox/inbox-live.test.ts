import {
  addGroup,
  addParticipants,
  ChannelClient,
  fillInbox,
  InboxClient,
  startTestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { expectSame, forEach, readInbox, startWatchedServer, type WatchedServer } from './inbox-fixture.ts';

const ann = 'user:ann';
const bob = 'user:bob';

let resources: AsyncDisposableStack;
let watched: WatchedServer;

beforeEach(async () => {
  resources = new AsyncDisposableStack();
  watched = await startWatchedServer({ env: { FLEETLM_SESSION_IDLE_MS: '200' } });
  resources.use(watched.server);
  await addParticipants(watched.server, ann, bob);
});
afterEach(() => resources.disposeAsync());

/** An inbox that bob follows. */
async function follow(participantId = bob): Promise<InboxClient> {
  return resources.use(await InboxClient.follow(watched.server.socketUrl(participantId), participantId));
}

async function say(sessionId: string, as: string, text = 'hi'): Promise<void> {
  const answer = await watched.server.api('POST', `/api/sessions/${sessionId}/messages`, {
    as,
    body: { content: { text } },
  });
  expect(answer.status).toBe(200);
}

async function read(sessionId: string, as = bob): Promise<void> {
  expect((await watched.server.api('POST', `/api/sessions/${sessionId}/read`, { as })).status).toBe(200);
}

function isInboxStatement(name: string): boolean {
  return name.startsWith('inbox-');
}

describe('200 sessions busy at once', () => {
  test('the view equals REST, by at most ten updates a second and no query per message', {
    timeout: 60_000,
  }, async () => {
    const { server, statements } = watched;
    const sessions = await fillInbox(server.database.url, { participantId: bob, peerId: ann, count: 190 });
    const groups = await Promise.all(Array.from({ length: 10 }, () => addGroup(server, ann, bob)));
    const all = [...sessions, ...groups];
    const inbox = await follow();
    expect(inbox.size).toBe(200);

    await forEach(all, 8, (id) => say(id, ann));
    await expectSame(inbox, server, bob);

    statements.length = 0;
    const [firstUpdate, beganMs] = [inbox.updates.length, performance.now()];
    await Promise.all([writeBySocket(sessions.slice(0, 100)), writeBySocket(sessions.slice(90))]);
    await forEach(all, 8, async (id, index) => {
      if (index % 3 === 0) await say(id, bob, 'own');
      if (index % 2 === 0) await read(id);
    });
    const inboxQueries = statements.filter(isInboxStatement);
    await expectSame(inbox, server, bob);
    const updates = inbox.updates.slice(firstUpdate);
    const elapsedMs = updates.at(-1)!.receivedMs - beganMs;
    expect(inboxQueries).toEqual([]);
    expect(updates.length).toBeLessThanOrEqual(elapsedMs / 100 + 1);

    await forEach(groups, 4, async (id, index) => {
      await server.api('DELETE', `/api/sessions/${id}/members/${bob}`);
      await say(id, ann);
      if (index % 2 === 0) await server.api('PUT', `/api/sessions/${id}/members/${bob}`, { body: {} });
      await say(id, ann);
    });
    await expectSame(inbox, server, bob);
    expect(inbox.size).toBe(195);
  });

  /** Ann says four things in each of these sessions, on one socket. */
  async function writeBySocket(ids: readonly string[]): Promise<void> {
    const socket = resources.use(await ChannelClient.open(watched.server.socketUrl(ann)));
    await forEach(ids, 16, async (id) => {
      await socket.join(`session:${id}`, { limit: 1 });
      for (const text of ['one', 'two', 'three', 'four'])
        await socket.push(`session:${id}`, 'send', { content: { content: { text } } });
    });
  }
});

test('a call whose answer was lost is made good by its repetition', async () => {
  const { server } = watched;
  const { body } = await server.api('POST', '/api/sessions', { body: { initiator_id: ann, peer_id: bob } });
  const id = body.session.id;
  await say(id, ann);
  const inbox = await follow();
  expect(inbox.get(id)).toMatchObject({ unread_count: 1 });
  // As if this node had done it, and had not heard so.
  await using elsewhere = await startTestServer({ database: server.database });
  await elsewhere.api('POST', `/api/sessions/${id}/read`, { as: bob });
  await read(id);
  await waitUntil(() => inbox.get(id)?.unread_count === 0);
  await elsewhere.api('PATCH', `/api/sessions/${id}`, { as: ann, body: { status: 'archived' } });
  await server.api('PATCH', `/api/sessions/${id}`, { as: ann, body: { status: 'archived' } });
  await waitUntil(() => inbox.get(id) === undefined);
});

describe('more than 200 sessions', () => {
  let sessions: string[];

  beforeEach(async () => {
    sessions = await fillInbox(watched.server.database.url, { participantId: bob, peerId: ann, count: 230 });
  });

  test('it shows the 200 newest; one with news comes in, the oldest makes room', {
    timeout: 20_000,
  }, async () => {
    const inbox = await follow();
    expect(inbox.conversations.map((each) => each.session_id)).toEqual(sessions.slice(0, 200).sort());
    for (const id of sessions.slice(220)) await say(id, ann);
    const expected = [...sessions.slice(0, 190), ...sessions.slice(220)].sort();
    await waitUntil(() => inbox.get(sessions[229]!) !== undefined);
    expect(inbox.conversations.map((each) => each.session_id)).toEqual(expected);
    await expectAsFresh(inbox);
    await waitUntil(async () => JSON.stringify(await firstPage()) === JSON.stringify(inbox.conversations), {
      what: 'REST to have the same order, within two ticks of the activity writer',
      timeoutMs: 7_000,
    });
  });

  test('one that has just become active is there at once, whatever the order in the database says', async () => {
    await say(sessions[229]!, ann);
    const inbox = await follow();
    expect(inbox.get(sessions[229]!)).toMatchObject({ last_seq: 2 });
  });

  test('what happens outside is not told, costs one query a flush, and brings a session in by its message', async () => {
    const { server, statements } = watched;
    const inbox = await follow();
    const outside = sessions.slice(200);
    statements.length = 0;
    await forEach(outside, 8, (id) => read(id));
    await say(outside[0]!, ann);
    await waitUntil(() => inbox.get(outside[0]!) !== undefined);
    const told = new Set(
      inbox.updates.flatMap((update) => update.conversations.map((each) => each.session_id)),
    );
    expect([...told]).toEqual([outside[0]]);
    expect(inbox.updates.flatMap((update) => update.removed)).toEqual([sessions[199]]);
    const flushes = statements.filter((name) => name === 'inbox-memberships').length;
    expect(statements.filter((name) => name === 'inbox-entries').length).toBeLessThanOrEqual(flushes);
    expect(flushes).toBeLessThan(outside.length);
    await expectAsFresh(inbox);
    await server.api('POST', `/api/sessions/${sessions[199]}/read`, { as: bob });
    await say(sessions[0]!, ann);
    await waitUntil(() => inbox.get(sessions[0]!)?.unread_count === 2);
    expect(inbox.get(sessions[199]!)).toBeUndefined();
  });

  test('when many leave it, it is filled up again by a snapshot', { timeout: 20_000 }, async () => {
    const inbox = await follow();
    await forEach(sessions.slice(0, 60), 8, (id) =>
      watched.server.api('PATCH', `/api/sessions/${id}`, { body: { status: 'archived' } }),
    );
    await waitUntil(() => inbox.snapshots > 0);
    await expectSame(inbox, watched.server, bob);
    expect(inbox.size).toBe(170);
  });

  /** The view is what somebody who joins now is shown. */
  async function expectAsFresh(inbox: InboxClient): Promise<void> {
    const fresh = await follow();
    expect(inbox.conversations).toEqual(fresh.conversations);
    expect(inbox.version).toBe(fresh.version);
  }

  async function firstPage(): Promise<unknown[]> {
    const { body } = await watched.server.api('GET', `/api/participants/${bob}/inbox?limit=200`);
    return body.conversations.sort((one: { session_id: string }, other: { session_id: string }) =>
      one.session_id < other.session_id ? -1 : 1,
    );
  }
});

describe('faults', () => {
  let sessionId: string;
  let inbox: InboxClient;

  beforeEach(async () => {
    sessionId = await addGroup(watched.server, ann, bob);
    inbox = await follow();
  });

  test('messages that this node did not hear of are noticed at the next one, and read', async () => {
    const other = (await startWatchedServer({ database: watched.server.database })).server;
    resources.use(other);
    const path = `/api/sessions/${sessionId}/messages`;
    await say(sessionId, ann);
    await waitUntil(() => inbox.get(sessionId)?.unread_count === 1);
    for (const as of [ann, bob, ann]) await other.api('POST', path, { as, body: { content: {} } });
    await say(sessionId, ann, 'the fifth');
    await waitUntil(() => inbox.get(sessionId)?.unread_count === 4);
    expect(inbox.get(sessionId)).toMatchObject({ last_seq: 5, last_message_preview: 'the fifth' });
    await expectSame(inbox, watched.server, bob);
  });

  test('a flush that Postgres fails ends in a snapshot of everything', async () => {
    watched.broken.add('inbox-entries');
    const second = await addGroup(watched.server, ann, bob);
    await say(sessionId, ann);
    await waitUntil(() => inbox.snapshots === 1);
    watched.broken.clear();
    expect(inbox.get(sessionId)).toMatchObject({ last_seq: 1, unread_count: 1 });
    await say(second, ann);
    await expectSame(inbox, watched.server, bob);
    expect(inbox.ended).toBeNull();
  });

  test('when it cannot be loaded again either, the topic gets phx_error, and the next join works', async () => {
    for (const name of ['inbox-memberships', 'inbox-page']) watched.broken.add(name);
    await say(sessionId, ann);
    await waitUntil(() => inbox.ended === 'phx_error');
    expect((await inbox.join()).response).toEqual({ reason: 'join crashed' });
    watched.broken.clear();
    expect((await inbox.join()).status).toBe('ok');
    await say(sessionId, ann);
    await expectSame(inbox, watched.server, bob);
    expect(inbox.get(sessionId)?.unread_count).toBe(2);
  });
});

describe('who may follow', () => {
  test('nobody but the participant and the service', async () => {
    const stranger = resources.use(await InboxClient.open(watched.server.socketUrl(ann), bob));
    expect(await stranger.join()).toMatchObject({
      status: 'error',
      response: { reason: 'participant_not_found' },
    });
    const service = resources.use(await InboxClient.open(watched.server.socketUrl(), bob));
    expect((await service.join()).status).toBe('ok');
  });

  test('nobody follows a participant that does not exist', async () => {
    for (const as of [undefined, 'user:nobody']) {
      const client = resources.use(await InboxClient.open(watched.server.socketUrl(as), 'user:nobody'));
      expect(await client.join()).toMatchObject({
        status: 'error',
        response: { reason: 'participant_not_found' },
      });
    }
    await waitUntil(() => watched.server.server.counts.inboxes === 0);
  });
});

test('two devices see the same, also when one comes later', async () => {
  const sessionId = await addGroup(watched.server, ann, bob);
  const phone = await follow();
  await say(sessionId, ann);
  await waitUntil(() => phone.get(sessionId)?.unread_count === 1);
  const laptop = await follow();
  expect([laptop.version, laptop.conversations]).toEqual([phone.version, phone.conversations]);
  await read(sessionId);
  for (const device of [phone, laptop]) await waitUntil(() => device.get(sessionId)?.unread_count === 0);
  expect(laptop.version).toBe(phone.version);
  await phone[Symbol.asyncDispose]();
  await say(sessionId, ann);
  await waitUntil(() => laptop.get(sessionId)?.unread_count === 1);
});

test('whoever joins, leaves and rejoins while others write misses nothing', { timeout: 30_000 }, async () => {
  const sessions = await Promise.all(Array.from({ length: 6 }, () => addGroup(watched.server, ann, bob)));
  let isDone = false;
  const writing = forEach([ann, bob, ann], 3, async (who, index) => {
    for (let n = index; !isDone; n += 1) {
      await say(sessions[n % sessions.length]!, who);
      if (n % 5 === 0) await read(sessions[n % 3]!);
    }
  });
  const inboxes: InboxClient[] = [];
  for (let round = 0; round < 12; round += 1) {
    inboxes.push(await follow());
    const again = inboxes[round % 3]!;
    await again.leave();
    expect((await again.join()).status).toBe('ok');
    const some = inboxes.at(-1)!;
    await waitUntil(() => some.updates.length > 0);
    if (round % 4 === 3) await inboxes.shift()![Symbol.asyncDispose]();
  }
  isDone = true;
  await writing;
  for (const inbox of inboxes) await expectSame(inbox, watched.server, bob);
});

test('what happens while an inbox is loaded is in it, though its page was read before', async () => {
  const sessionId = await addGroup(watched.server, ann, bob);
  const anns = await follow(ann);
  const loading = Promise.withResolvers<void>();
  watched.held.set('inbox-page', loading.promise);
  const joining = follow();
  await waitUntil(() => watched.statements.filter((name) => name === 'inbox-page').length === 2);
  await say(sessionId, ann);
  await waitUntil(() => anns.get(sessionId)?.last_seq === 1, { what: 'the flush that tells of it' });
  loading.resolve();
  const bobs = await joining;
  await waitUntil(() => bobs.get(sessionId)?.unread_count === 1);
  await expectSame(bobs, watched.server, bob);
});

test('when all have left nothing of it is left', async () => {
  await addGroup(watched.server, ann, bob);
  for (const participant of [ann, bob]) {
    const inbox = await follow(participant);
    await waitUntil(() => inbox.size === 1);
    await inbox[Symbol.asyncDispose]();
  }
  await waitUntil(() => Object.values(watched.server.server.counts).every((count) => count === 0), {
    what: 'no inbox, viewed session or topic left',
  });
  expect(await readInbox(watched.server, bob)).toHaveLength(1);
});
