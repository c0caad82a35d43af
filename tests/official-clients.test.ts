import {
  addGroup,
  addParticipants,
  answerOf,
  disconnectPhoenix,
  type PhoenixAnswer,
  type PhoenixChannel,
  type PhoenixSocket,
  type PhoenixVersion,
  phoenixClient,
  phoenixVersions,
  RawSocket,
  startTcpProxy,
  startTestServer,
  type TestServer,
  testDatabase,
  waitUntil,
} from '@fleetlm/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const alice = 'user:alice';
const bob = 'user:bob';

interface Said {
  readonly seq: number;
  readonly sender_id: string;
  readonly content: { readonly text: string };
}

/** A person with an official client, who resumes as the documentation tells: by params as a function. */
class Person {
  readonly socket: PhoenixSocket;
  readonly channel: PhoenixChannel;
  /** Everything that was shown, in order. */
  readonly heard: Said[] = [];
  joins = 0;
  #joined: Promise<PhoenixAnswer>;

  constructor(
    version: PhoenixVersion,
    endpoint: string,
    id: string,
    sessionId: string,
    options: object = {},
  ) {
    this.socket = phoenixClient(version, endpoint, { params: { participant_id: id }, ...options });
    const lastSeq = () => ({ last_seq: this.heard.at(-1)?.seq ?? 0 });
    this.channel = this.socket.channel(`session:${sessionId}`, lastSeq);
    this.channel.on('message', (message: Said) => void this.heard.push(message));
    const join = this.channel.join();
    // Called at every join: the client keeps what was asked of its first one.
    join.receive('ok', ({ messages }: { messages: Said[] }) => {
      this.joins += 1;
      this.heard.push(...messages);
    });
    this.#joined = answerOf(join);
  }

  get joined(): Promise<PhoenixAnswer> {
    return this.#joined;
  }

  get texts(): string[] {
    return this.heard.map(({ content }) => content.text);
  }

  send(text: string) {
    return this.channel.push('send', { content: { content: { text } } });
  }

  async say(text: string): Promise<number> {
    const { status, response } = await answerOf(this.send(text));
    expect(status).toBe('ok');
    return response.message.seq;
  }

  /** Waits until it was shown as much as there is, and checks that it was all, once, in order. */
  async expectHeard(count: number): Promise<void> {
    await waitUntil(() => this.heard.length >= count, { what: `${count} messages` });
    expect(this.heard.map(({ seq }) => seq)).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  }
}

/** The replies and closes that a person's socket gets from now on. */
function answersTo({ socket }: Person): string[] {
  const answers: string[] = [];
  socket.onMessage((message) => {
    const { event, payload } = message as { event: string; payload: { status: string } };
    if (event === 'phx_reply') answers.push(payload.status);
    if (event === 'phx_close') answers.push(event);
  });
  return answers;
}

let resources: AsyncDisposableStack;
let people: Person[];

beforeEach(() => {
  resources = new AsyncDisposableStack();
  people = [];
});
afterEach(async () => {
  // A client that still reconnects would keep the test's process busy.
  await Promise.all(people.map(({ socket }) => disconnectPhoenix(socket)));
  await resources.disposeAsync();
});

async function createSession(server: TestServer): Promise<string> {
  await addParticipants(server, alice, bob);
  return addGroup(server, alice, bob);
}

async function post({ api }: TestServer, sessionId: string, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const body = { content: { text: `meanwhile ${n}` } };
    const { status } = await api('POST', `/api/sessions/${sessionId}/messages`, { as: alice, body });
    expect(status).toBe(200);
  }
}

describe.each(phoenixVersions)('phoenix %s', (version) => {
  function enter(endpoint: string, id: string, sessionId: string, options: object = {}): Person {
    const person = new Person(version, endpoint, id, sessionId, options);
    people.push(person);
    return person;
  }

  test('two people hold a conversation', async () => {
    const server = resources.use(await startTestServer());
    const sessionId = await createSession(server);
    const [first, second] = [alice, bob].map((id) => enter(server.socketEndpoint, id, sessionId));
    for (const person of [first!, second!]) {
      const { status, response } = await person.joined;
      expect(status).toBe('ok');
      expect(response).toMatchObject({ session_id: sessionId, messages: [], last_seq: 0 });
    }
    expect(await first!.say('Hello Bob')).toBe(1);
    expect(await second!.say('Hällo Alice 🌍')).toBe(2);
    expect(await first!.say('How are you?')).toBe(3);
    for (const person of [first!, second!]) {
      await person.expectHeard(3);
      expect(person.heard.map(({ sender_id, content }) => [sender_id, content.text])).toEqual([
        [alice, 'Hello Bob'],
        [bob, 'Hällo Alice 🌍'],
        [alice, 'How are you?'],
      ]);
    }
  });

  test('a lost network: back by last_seq, nothing missed, nothing repeated', async () => {
    const server = resources.use(await startTestServer());
    const sessionId = await createSession(server);
    const proxy = resources.use(await startTcpProxy(Number(new URL(server.url).port)));
    const person = enter(`ws://127.0.0.1:${proxy.port}/socket`, bob, sessionId);
    await person.joined;
    await post(server, sessionId, 3);
    await person.expectHeard(3);
    for (const round of [1, 2, 3]) {
      const writing = post(server, sessionId, 70);
      proxy.cut();
      await writing;
      await waitUntil(() => person.joins > round && person.channel.state === 'joined');
      await person.expectHeard(3 + round * 70);
    }
    expect(await person.say('back again')).toBe(214);
    await person.expectHeard(214);
  });

  test('a restart of the server: 1012, and back by last_seq', { timeout: 30_000 }, async () => {
    const database = resources.use(await testDatabase());
    const first = await startTestServer({ database, env: { PORT: String(await fixedPort()) } });
    resources.use(first);
    const sessionId = await createSession(first);
    const [talker, listener] = [alice, bob].map((id) => enter(first.socketEndpoint, id, sessionId));
    await Promise.all([talker!.joined, listener!.joined]);
    await talker!.say('before');
    await listener!.expectHeard(1);

    const codes: number[] = [];
    listener!.socket.onClose(({ code }: { code: number }) => void codes.push(code));
    // Another node on the same database is there all the time.
    const other = resources.use(await startTestServer({ database }));
    await first[Symbol.asyncDispose]();
    expect(codes[0]).toBe(1012);
    await post(other, sessionId, 120);

    const env = { PORT: new URL(first.url).port };
    const second = resources.use(await startTestServer({ database, env }));
    await waitUntil(() =>
      [talker!, listener!].every(({ channel, joins }) => channel.state === 'joined' && joins > 1),
    );
    await post(second, sessionId, 5);
    expect(await listener!.say('after')).toBe(127);
    for (const person of [talker!, listener!]) {
      await person.expectHeard(127);
      expect([person.texts[0], person.texts.at(-1)]).toEqual(['before', 'after']);
    }
  });

  test('a push that is under way when the network is lost is safe to send again', async () => {
    const server = resources.use(await startTestServer());
    const sessionId = await createSession(server);
    const proxy = resources.use(await startTcpProxy(Number(new URL(server.url).port)));
    const person = enter(`ws://127.0.0.1:${proxy.port}/socket`, bob, sessionId);
    await person.joined;
    const payload = { content: { content: { text: 'once' } }, client_id: 'k' };
    void person.channel.push('send', payload);
    proxy.cut();
    await waitUntil(() => person.joins > 1 && person.channel.state === 'joined');
    const { status, response } = await answerOf(person.channel.push('send', payload));
    expect([status, response.message.seq]).toEqual(['ok', 1]);
    await person.expectHeard(1);
  });

  // The client itself hears no answer any more once it has called `leave`: its push times out with any server.
  test('a send and a leave at once: both are answered, in this order', async () => {
    const server = resources.use(await startTestServer());
    const sessionId = await createSession(server);
    const person = enter(server.socketEndpoint, alice, sessionId);
    await person.joined;
    const answers = answersTo(person);
    person.send('on my way out');
    person.channel.leave();
    await waitUntil(() => answers.includes('phx_close'));
    expect(answers).toEqual(['ok', 'ok', 'phx_close']);
  });

  test('a send and a rejoin at once: answered before the rejoin, which has seen it', async () => {
    const server = resources.use(await startTestServer());
    const sessionId = await createSession(server);
    const person = enter(server.socketEndpoint, alice, sessionId);
    await person.joined;
    const answers = answersTo(person);
    person.send('in the old channel');
    const again = person.socket.channel(`session:${sessionId}`, {});
    const { status, response } = await answerOf(again.join());
    expect([status, response.last_seq]).toEqual(['ok', 1]);
    // The client leaves the old channel by itself before it joins the new one.
    expect(answers).toEqual(['ok', 'ok', 'phx_close', 'ok']);
  });

  test('vsn 1.0.0 holds the same conversation', async () => {
    const server = resources.use(await startTestServer());
    const sessionId = await createSession(server);
    const old = enter(server.socketEndpoint, alice, sessionId, {
      vsn: '1.0.0',
      encode: (message: object, send: (text: string) => void) => send(JSON.stringify(message)),
      decode: (text: string, receive: (message: unknown) => void) => receive(JSON.parse(text)),
    });
    const current = enter(server.socketEndpoint, bob, sessionId);
    await Promise.all([old.joined, current.joined]);
    expect(await old.say('from V1')).toBe(1);
    expect(await current.say('from V2')).toBe(2);
    for (const person of people) {
      await person.expectHeard(2);
      expect(person.texts).toEqual(['from V1', 'from V2']);
    }
  });
});

/**
 * A port that stays ours over a restart: below the range from which the system takes the ports of outgoing
 * connections, or one of them could have it meanwhile.
 */
async function fixedPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const isTaken = await RawSocket.open(`ws://127.0.0.1:${port}/`).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== 'ECONNREFUSED',
    );
    if (!isTaken) return port;
  }
}
