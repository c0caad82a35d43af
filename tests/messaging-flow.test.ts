import type { InboxConversation, Message, Session } from '@fleetlm/protocol';
import {
  answerOf,
  disconnectPhoenix,
  InboxClient,
  type PhoenixChannel,
  type PhoenixSocket,
  phoenixClient,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { afterEach, beforeEach, expect, test } from 'vitest';

/**
 * The whole story, as an application lives it: Alice, Bob and an agent, on REST, in conversations and in inboxes.
 * People have the official phoenix client; the agent's backend has REST.
 */
let server: TestServer;
let resources: AsyncDisposableStack;

beforeEach(async () => {
  resources = new AsyncDisposableStack();
  server = resources.use(await startTestServer({ env: { FLEETLM_SESSION_IDLE_MS: '50' } }));
  await put('user:alice', { display_name: 'Alice' });
  await put('user:bob', { display_name: 'Bob' });
  await put('agent:helper', { kind: 'agent', display_name: 'The helper' });
});
afterEach(() => resources.disposeAsync());

test('Alice writes to Bob, who sees it in his inbox, reads it, and answers', async () => {
  const inbox = await openInbox('user:bob');
  expect(inbox.conversations).toEqual([]);

  // Alice's application starts the session. Bob's inbox shows it by itself.
  const session = await startSession('user:alice', 'user:bob');
  expect(session).toMatchObject({ kind: 'human_dm', status: 'open', last_seq: 0 });
  await waitUntil(() => inbox.get(session.id)?.unread_count === 0);

  const alice = await enter('user:alice', session.id);
  expect(await alice.say('Hello Bob')).toMatchObject({ message: { seq: 1 }, deduplicated: false });
  await alice.say('Are you there?');
  const unread = await waitUntil(() => entryWith(inbox, session.id, 2));
  expect(unread).toMatchObject({
    last_seq: 2,
    last_message_preview: 'Are you there?',
    peer_last_read_id: null,
  });

  // He opens the conversation: it begins with what was said before.
  const bob = await enter('user:bob', session.id);
  expect(bob.texts).toEqual(['Hello Bob', 'Are you there?']);

  // Nothing is read until somebody says so. Then Alice sees the receipt, and Bob's inbox the count.
  expect(await bob.read()).toEqual({ last_read_seq: 2, unread_count: 0 });
  await waitUntil(() => entryWith(inbox, session.id, 0));
  await waitUntil(() => alice.receipts.at(-1)?.participant_id === 'user:bob');
  expect(alice.receipts.at(-1)).toMatchObject({ last_read_seq: 2 });

  await bob.say('Yes!');
  await waitUntil(() => alice.texts.at(-1) === 'Yes!');
  // His own message is nothing that Bob has to read.
  expect((await inboxByRest('user:bob'))[0]).toMatchObject({ last_message_preview: 'Yes!', unread_count: 0 });
  expect((await inboxByRest('user:alice'))[0]).toMatchObject({
    last_message_preview: 'Yes!',
    unread_count: 1,
  });
  const seen = await readSession(session.id);
  expect(seen.peer_last_read_id).toBe(alice.heard[1]!.id);
});

test('Alice asks an agent, whose backend answers over REST', async () => {
  const session = await startSession('user:alice', 'agent:helper');
  expect(session).toMatchObject({ kind: 'agent_dm', agent_id: 'agent:helper' });
  const alice = await enter('user:alice', session.id);
  await alice.say('What is the capital of France?');

  const [question] = (await history(session.id)).slice(-1);
  expect(question).toMatchObject({ sender_id: 'user:alice', kind: 'text' });
  const answer = {
    sender_id: 'agent:helper',
    kind: 'assistant',
    content: { parts: [{ type: 'text', text: 'Paris' }] },
    client_id: `answer-to-${question!.id}`,
  };
  const first = await post(session.id, answer);
  expect(first).toMatchObject({ message: { seq: 2, kind: 'assistant' }, deduplicated: false });
  // The backend did not hear of its success, and tries again: the same message, once.
  expect(await post(session.id, answer)).toMatchObject({ message: { seq: 2 }, deduplicated: true });

  await waitUntil(() => alice.heard.length === 2);
  expect(alice.heard[1]!.content).toEqual(answer.content);
  expect((await inboxByRest('user:alice'))[0]).toMatchObject({
    unread_count: 1,
    last_message_preview: 'Paris',
  });
});

test('Bob loses his connection, and comes back to exactly what he missed', async () => {
  const session = await startSession('user:alice', 'user:bob');
  const alice = await enter('user:alice', session.id);
  const bob = await enter('user:bob', session.id);
  await alice.say('one');
  await waitUntil(() => bob.texts.length === 1);

  await bob.disconnect();
  for (const text of ['two', 'three']) await alice.say(text);
  bob.connect();
  await waitUntil(() => bob.texts.length === 3);
  await alice.say('four');
  await waitUntil(() => bob.texts.length === 4);
  expect(bob.texts).toEqual(['one', 'two', 'three', 'four']);
  expect((await inboxByRest('user:bob'))[0]).toMatchObject({ unread_count: 4 });
});

test('everything in memory is lost, and nothing is missed', async () => {
  const session = await startSession('user:alice', 'user:bob');
  const alice = await enter('user:alice', session.id);
  await alice.say('before');
  await alice.disconnect();
  await waitUntil(() => server.server.counts.sessions === 0, { what: 'the session to be passivated' });

  const bob = await enter('user:bob', session.id);
  expect(bob.texts).toEqual(['before']);
  await bob.read();
  await bob.disconnect();

  // Another process on the same database: all that it knows it has from there.
  const inboxBefore = await inboxByRest('user:bob');
  server = resources.use(await startTestServer({ database: server.database }));
  expect(await inboxByRest('user:bob')).toEqual(inboxBefore);
  const back = await enter('user:bob', session.id);
  expect(back.texts).toEqual(['before']);
  const inbox = await openInbox('user:bob');
  expect(inbox.get(session.id)).toMatchObject({ unread_count: 0 });
  await (await enter('user:alice', session.id)).say('after');
  await waitUntil(() => entryWith(inbox, session.id, 1));
  await waitUntil(() => back.texts.at(-1) === 'after');
});

test('the conversation ends: closed it can be read, archived it leaves the inboxes', async () => {
  const session = await startSession('user:alice', 'user:bob');
  const inbox = await openInbox('user:bob');
  const alice = await enter('user:alice', session.id);
  await alice.say('good bye');

  await setStatus(session.id, 'closed');
  await waitUntil(() => inbox.get(session.id)?.status === 'closed');
  expect(await alice.say('one more thing')).toMatchObject({ reason: 'session_closed' });
  expect((await history(session.id)).map(({ content }) => content['text'])).toEqual(['good bye']);

  await setStatus(session.id, 'archived');
  await waitUntil(() => inbox.get(session.id) === undefined);
  expect(await inboxByRest('user:alice')).toEqual([]);
});

/** Somebody in one conversation, who resumes as the documentation tells: by join parameters as a function. */
class Person {
  /** Every message that was shown, in order. */
  readonly heard: Message[] = [];
  readonly receipts: { readonly participant_id: string; readonly last_read_seq: number }[] = [];
  readonly #socket: PhoenixSocket;
  readonly #channel: PhoenixChannel;

  constructor(id: string, sessionId: string) {
    this.#socket = phoenixClient('1.8.16', server.socketEndpoint, { params: { participant_id: id } });
    const newest = () => ({ last_seq: this.heard.at(-1)?.seq ?? 0 });
    this.#channel = this.#socket.channel(`session:${sessionId}`, newest);
    this.#channel.on('message', (message: Message) => void this.heard.push(message));
    this.#channel.on('read', (receipt) => void this.receipts.push(receipt));
  }

  async join(): Promise<void> {
    const join = this.#channel.join();
    // Called at every join, also those after a lost connection.
    join.receive('ok', ({ messages }: { messages: Message[] }) => void this.heard.push(...messages));
    expect((await answerOf(join)).status).toBe('ok');
  }

  get texts(): unknown[] {
    return this.heard.map(({ content }) => content['text']);
  }

  async say(text: string): Promise<unknown> {
    const { response } = await answerOf(this.#channel.push('send', { content: { content: { text } } }));
    return response;
  }

  /** Marks everything as read. */
  async read(): Promise<unknown> {
    return (await answerOf(this.#channel.push('read', {}))).response;
  }

  disconnect(): Promise<void> {
    return disconnectPhoenix(this.#socket);
  }

  connect(): void {
    this.#socket.connect();
  }
}

async function enter(id: string, sessionId: string): Promise<Person> {
  const person = new Person(id, sessionId);
  resources.defer(() => person.disconnect());
  await person.join();
  return person;
}

async function openInbox(id: string): Promise<InboxClient> {
  return resources.use(await InboxClient.follow(server.socketUrl(id), id));
}

function entryWith(inbox: InboxClient, sessionId: string, unread: number): InboxConversation | null {
  const entry = inbox.get(sessionId);
  return entry?.unread_count === unread ? entry : null;
}

async function put(id: string, body: object): Promise<void> {
  expect((await server.api('PUT', `/api/participants/${id}`, { body })).status).toBe(200);
}

async function startSession(initiator_id: string, peer_id: string): Promise<Session> {
  const body = { initiator_id, peer_id };
  const answer = await server.api('POST', '/api/sessions', { as: initiator_id, body });
  expect(answer.status).toBe(201);
  return answer.body.session;
}

async function readSession(id: string): Promise<Session> {
  return (await server.api('GET', `/api/sessions/${id}`)).body.session;
}

async function setStatus(id: string, status: string): Promise<void> {
  expect((await server.api('PATCH', `/api/sessions/${id}`, { body: { status } })).status).toBe(200);
}

async function history(id: string): Promise<Message[]> {
  return (await server.api('GET', `/api/sessions/${id}/messages`)).body.messages;
}

async function post(id: string, body: object): Promise<unknown> {
  return (await server.api('POST', `/api/sessions/${id}/messages`, { body })).body;
}

async function inboxByRest(id: string): Promise<InboxConversation[]> {
  return (await server.api('GET', `/api/participants/${id}/inbox`, { as: id })).body.conversations;
}
