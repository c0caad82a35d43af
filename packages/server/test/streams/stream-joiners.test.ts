import {
  AgentServer,
  type AskedSession,
  addGroup,
  addParticipants,
  answerOf,
  beginAnswer,
  beginAnswers,
  disconnectPhoenix,
  type LiveAnswer,
  phoenixClient,
  type RawFrame,
  RawSocket,
  SessionClient,
  seededRandom,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { maxTailMessages } from '../../src/sessions/hot-tail.ts';
import type { Chunk } from '../../src/streams/chunk.ts';
import { foldAll } from './sdk-messages.ts';

const agentIds = ['agent:bot', 'agent:other'];
const random = seededRandom(20_261_125);
let server: TestServer;
let agent: AgentServer;

beforeAll(async () => {
  server = await startTestServer({ env: { FLEETLM_SESSION_IDLE_MS: '50' } });
  agent = await AgentServer.start();
  await addParticipants(server, 'user:alice', ...agentIds);
  for (const id of agentIds) {
    await server.api('PUT', `/api/agents/${id}/endpoint`, { body: { origin_url: agent.url } });
  }
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
});

/** What a reader knows of the streams of one session since it joined. */
class StreamView {
  readonly #byId = new Map<string, { nextIndex: number; readonly chunks: Chunk[] }>();

  joined(streams: readonly RawFrame[]): void {
    this.#byId.clear();
    for (const { stream_id, next_index, chunks } of streams) {
      this.#byId.set(stream_id, { nextIndex: next_index, chunks: [...chunks] });
    }
  }

  pushed({ stream_id, index, chunk }: RawFrame): void {
    const known = this.#byId.get(stream_id) ?? { nextIndex: 0, chunks: [] };
    this.#byId.set(stream_id, known);
    if (index !== known.nextIndex) throw new Error(`chunk ${index} came instead of ${known.nextIndex}`);
    known.nextIndex += 1;
    known.chunks.push(chunk);
  }

  get size(): number {
    return this.#byId.size;
  }

  isOver(answer: LiveAnswer): boolean {
    return this.#chunksOf(answer).at(-1)?.type === 'finish';
  }

  messageOf(answer: LiveAnswer): unknown {
    return foldAll(this.#chunksOf(answer)).message;
  }

  #chunksOf({ facts }: LiveAnswer): readonly Chunk[] {
    return this.#byId.get(facts.stream_id)?.chunks ?? [];
  }
}

interface Push {
  readonly ref: string;
  readonly event: string;
  readonly payload: RawFrame;
}

/** One raw client that joins and leaves, and checks every frame. */
class Joiner {
  readonly view = new StreamView();
  readonly #socket: RawSocket;
  readonly #version: 1 | 2;
  readonly #topic: string;
  #refs = 0;
  #joinRef: string | null = null;
  #isJoined = false;

  static async open(version: 1 | 2, sessionId: string): Promise<Joiner> {
    const socket = await RawSocket.open(server.socketUrl('user:alice'), { vsn: `${version}.0.0` });
    return new Joiner(socket, version, `session:${sessionId}`);
  }

  private constructor(socket: RawSocket, version: 1 | 2, topic: string) {
    this.#socket = socket;
    this.#version = version;
    this.#topic = topic;
  }

  async join(payload: object): Promise<void> {
    const ref = this.#write('phx_join', payload);
    this.#joinRef = ref;
    await this.#readUntilReply(ref);
  }

  async leave(): Promise<void> {
    await this.#readUntilReply(this.#write('phx_leave'));
  }

  /** Takes all that has come. */
  read(): void {
    for (const frame of this.#socket.unread()) this.#take(this.#parse(frame));
  }

  close(): Promise<void> {
    return this.#socket[Symbol.asyncDispose]();
  }

  #write(event: string, payload = {}): string {
    this.#refs += 1;
    const ref = String(this.#refs);
    const joinRef = event === 'phx_join' ? ref : this.#joinRef;
    const topic = this.#topic;
    if (this.#version === 2) this.#socket.send([joinRef, ref, topic, event, payload]);
    else this.#socket.send({ topic, event, payload, ref, join_ref: joinRef });
    return ref;
  }

  async #readUntilReply(ref: string): Promise<void> {
    for (;;) {
      const frame = this.#parse(await this.#socket.next());
      this.#take(frame);
      if (frame.ref === ref) return;
    }
  }

  #take({ ref, event, payload }: Push): void {
    if (event === 'phx_reply') {
      expect(payload.status).toBe('ok');
      this.#isJoined = ref === this.#joinRef;
      if (this.#isJoined) this.view.joined(payload.response.streams);
    } else if (event === 'stream_chunk') {
      // Before its join reply nobody knows what to make of a chunk.
      expect(this.#isJoined).toBe(true);
      this.view.pushed(payload);
    }
  }

  #parse(frame: RawFrame): Push {
    if (this.#version === 1) return frame;
    const [, ref, , event, payload] = frame;
    return { ref, event, payload };
  }
}

/** A join whose messages are not all in memory: chunks come while Postgres is asked. */
const fromTheLog = { last_seq: 0 };

async function addSession(): Promise<AskedSession> {
  return { id: await addGroup(server, 'user:alice', ...agentIds), askerId: 'user:alice', agentIds };
}

/** A group that has more messages than are kept in memory. */
async function addTalk(): Promise<AskedSession> {
  const session = await addSession();
  await using client = await SessionClient.open(server.socketUrl('user:alice'), session.id);
  await client.join();
  await client.sayMany(maxTailMessages + 10);
  return session;
}

/** Two agents answer at once, a chunk each turn of the event loop, until told to end. */
async function startAnswers(session: AskedSession) {
  const first: Chunk[] = [
    { type: 'start', messageId: 'm' },
    { type: 'text-start', id: '1' },
  ];
  const answers = await beginAnswers(server, agent, session, first);
  const signal = { isOver: false };
  const run = async (answer: LiveAnswer) => {
    const written = [...first];
    const push = (chunk: Chunk) => {
      written.push(chunk);
      answer.write(chunk);
    };
    for (let n = 0; !signal.isOver; n += 1) {
      push({ type: 'text-delta', id: '1', delta: `${n} ` });
      if (random() < 0.1) push({ type: 'data-step', id: 'step', data: { n } });
      if (random() < 0.1) push({ type: 'data-seen', data: n, transient: true });
      for (let turn = random() * 4; turn > 0; turn -= 1) await new Promise(setImmediate);
    }
    answer.finish();
    const begun = { type: 'start', messageId: answer.facts.message_id };
    return foldAll([begun, ...written.slice(1), { type: 'text-end', id: '1' }, { type: 'finish' }]).message;
  };
  const ended = Promise.all(answers.map(run));
  const end = () => {
    signal.isOver = true;
    return ended;
  };
  return { answers, end };
}

test('whoever joins, leaves and rejoins while streams run misses no chunk and gets none twice', async () => {
  const session = await addTalk();
  const { answers, end } = await startAnswers(session);
  const joiners = await Promise.all(
    Array.from({ length: 8 }, (_, n) => Joiner.open(n % 2 === 0 ? 2 : 1, session.id)),
  );
  await Promise.all(
    joiners.map(async (joiner) => {
      for (let round = 0; round < 6; round += 1) {
        for (let turn = random() * 6; turn > 0; turn -= 1) await new Promise(setImmediate);
        await joiner.join(random() < 0.5 ? fromTheLog : {});
        expect(joiner.view.size).toBe(2);
        if (random() < 0.5) await joiner.leave();
      }
      await joiner.join({});
    }),
  );
  const messages = await end();
  await waitUntil(() =>
    joiners.every((joiner) => {
      joiner.read();
      return answers.every((answer) => joiner.view.isOver(answer));
    }),
  );
  for (const { view } of joiners) expect(answers.map((answer) => view.messageOf(answer))).toEqual(messages);
  await Promise.all(joiners.map((joiner) => joiner.close()));
  await waitUntil(() => Object.values(server.server.counts).every((count) => count === 0));
});

test('an official client shows a stream from its midst to its end', async () => {
  const session = await addSession();
  const { answers, end } = await startAnswers(session);
  const sockets = (['1.8.16', '1.7.21'] as const).map((version) =>
    phoenixClient(version, server.socketEndpoint, { params: { participant_id: 'user:alice' } }),
  );
  const views = await Promise.all(
    sockets.map(async (socket) => {
      const view = new StreamView();
      const channel = socket.channel(`session:${session.id}`);
      channel.on('stream_chunk', (payload) => view.pushed(payload));
      const joining = channel.join();
      joining.receive('ok', (response) => view.joined(response.streams));
      await answerOf(joining);
      return view;
    }),
  );
  const messages = await end();
  await waitUntil(() => views.every((view) => answers.every((answer) => view.isOver(answer))));
  for (const view of views) expect(answers.map((answer) => view.messageOf(answer))).toEqual(messages);
  await Promise.all(sockets.map(disconnectPhoenix));
});

test('a chunk that comes before the join is answered is in the reply, and does not come again', async () => {
  const session = { ...(await addTalk()), agentIds: ['agent:bot'] };
  const answer = await beginAnswer(server, agent, session, [{ type: 'start' }]);
  await using socket = await RawSocket.open(server.socketUrl('user:alice'));
  socket.send(['1', '1', `session:${session.id}`, 'phx_join', fromTheLog]);
  let said = 0;
  for (; socket.texts.length === 0; said += 1) {
    answer.write({ type: 'data-n', data: said });
    await new Promise(setImmediate);
  }
  const [entry] = (await socket.next())[4].response.streams;
  answer.write({ type: 'finish' });
  await waitUntil(() => socket.texts.some((text) => text.includes('"finish"')));
  const later = socket
    .unread()
    .filter(isChunk)
    .map((frame) => frame[4]);
  expect(later.map(({ index }) => index)).toEqual(later.map((_, n) => entry.next_index + n));
  const chunks: Chunk[] = [...entry.chunks, ...later.map(({ chunk }) => chunk)];
  expect(chunks.slice(1, -1).map((chunk) => chunk['data'])).toEqual(
    Array.from({ length: said }, (_, n) => n),
  );
});

function isChunk(frame: RawFrame): boolean {
  return frame[3] === 'stream_chunk';
}

test('a session without streams says so, and chunks of a stream are its own session’s alone', async () => {
  const [session, other] = [await addSession(), await addSession()];
  const answers = await beginAnswers(server, agent, other);
  await using socket = await RawSocket.open(server.socketUrl('user:alice'));
  socket.send(['1', '1', `session:${session.id}`, 'phx_join', {}]);
  expect((await socket.next())[4].response.streams).toEqual([]);
  for (const answer of answers) answer.finish();
  await waitUntil(() => server.server.counts.turns === 0);
  expect(await socket.settle()).toEqual([]);
});
