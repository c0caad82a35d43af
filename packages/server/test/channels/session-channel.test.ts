import { messageSchema, type Session, sessionSchema } from '@fleetlm/protocol';
import {
  addGroup,
  addParticipants,
  type ChannelAnswer,
  RawSocket,
  SessionClient,
  startTestServer,
  type TestServer,
} from '@fleetlm/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';

const joinReplySchema = z.strictObject({
  session_id: z.string(),
  session: sessionSchema.strict(),
  messages: z.array(messageSchema.strict()),
  last_seq: z.int(),
  streams: z.tuple([]),
});
const sendReplySchema = z.strictObject({
  message: messageSchema.pick({ id: true, seq: true, inserted_at: true, client_id: true }).strict(),
  deduplicated: z.boolean(),
});
const historyReplySchema = z.strictObject({
  messages: z.array(messageSchema.strict()),
  has_more_before: z.boolean(),
  has_more_after: z.boolean(),
});

let server: TestServer;
let sessionId: string;
let resources: AsyncDisposableStack;

beforeAll(async () => {
  server = await startTestServer();
  await addParticipants(server, 'user:alice', 'user:bob', 'user:carol', 'user:stranger', 'agent:bot');
});
afterAll(() => server[Symbol.asyncDispose]());

beforeEach(async () => {
  resources = new AsyncDisposableStack();
  sessionId = await addGroup(server, 'user:alice', 'user:bob', 'user:carol', 'agent:bot');
});
afterEach(() => resources.disposeAsync());

/** A socket of this participant, or of the service, that has joined nothing. */
async function open(participantId?: string, id = sessionId): Promise<SessionClient> {
  return resources.use(await SessionClient.open(server.socketUrl(participantId), id));
}

async function joined(participantId?: string, payload: object = {}): Promise<SessionClient> {
  const client = await open(participantId);
  expect(await client.join(payload)).toMatchObject({ status: 'ok' });
  return client;
}

/** A session that holds messages 1 to `count`, and the client that wrote them. */
async function filled(count: number): Promise<SessionClient> {
  const alice = await joined('user:alice');
  await alice.sayMany(count);
  return alice;
}

function draft(content: unknown = { text: 'hello' }, more: object = {}): object {
  return { content: { content, ...more } };
}

function seqsOf({ response }: ChannelAnswer): number[] {
  return response.messages.map((message: { seq: number }) => message.seq);
}

function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(last - first + 1, 0) }, (_, index) => first + index);
}

/** What a socket was answered after its first join, and the closes, in order: `join_ref ref status`. */
function outcomesOf({ socket, topic }: SessionClient): string[] {
  const frames = socket.texts.map((text) => JSON.parse(text)).filter((frame) => frame[2] === topic);
  const outcomes = frames.flatMap(([joinRef, ref, , event, { status }]) =>
    ref === null ? [] : [`${joinRef} ${ref} ${status ?? event}`],
  );
  return outcomes.slice(1);
}

async function storedSeqs(): Promise<number[]> {
  const { body } = await server.api('GET', `/api/sessions/${sessionId}/messages?limit=200`);
  return body.messages.map((message: { seq: number }) => message.seq);
}

describe('join', () => {
  test('the reply has the exact shape, the session as REST shows it, and ascending messages', async () => {
    await filled(3);
    const bob = await open('user:bob');
    const { status, response } = await bob.join();
    expect(status).toBe('ok');
    const reply = joinReplySchema.parse(response);
    const { body } = await server.api('GET', `/api/sessions/${sessionId}`);
    expect(reply).toMatchObject({ session_id: sessionId, session: body.session as Session, last_seq: 3 });
    expect(reply.messages.map(({ seq, content }) => [seq, content])).toEqual([
      [1, { text: '0' }],
      [2, { text: '1' }],
      [3, { text: '2' }],
    ]);
    const history = await server.api('GET', `/api/sessions/${sessionId}/messages`);
    expect(reply.messages).toEqual(history.body.messages);
  });

  test('the refs of the join are echoed', async () => {
    const socket = resources.use(await RawSocket.open(server.socketUrl('user:alice')));
    socket.send(['3', '4', `session:${sessionId}`, 'phx_join', {}]);
    const frame = await socket.next();
    expect(frame.slice(0, 4)).toEqual(['3', '4', `session:${sessionId}`, 'phx_reply']);
  });

  test('an empty session', async () => {
    const { response } = await (await open('user:bob')).join();
    expect(response).toMatchObject({ messages: [], last_seq: 0, streams: [] });
  });

  describe('of a session with 60 messages', () => {
    test.each([
      ['without last_seq: the newest 50', {}, range(11, 60)],
      ['null counts as absent', { last_seq: null, limit: null }, range(11, 60)],
      ['the newest limit', { limit: 3 }, range(58, 60)],
      ['a limit beyond what there is', { limit: 200 }, range(1, 60)],
      ['last_seq in the middle: all after it', { last_seq: 30 }, range(31, 60)],
      ['a limit does not shorten what follows', { last_seq: 30, limit: 4 }, range(31, 60)],
      ['last_seq 0: all there is', { last_seq: 0 }, range(1, 60)],
      ['last_seq at the end: nothing', { last_seq: 60 }, []],
      ['last_seq beyond the end reads as the end', { last_seq: 1_000 }, []],
    ])('%s', async (_name, payload, expected) => {
      const alice = await filled(60);
      const bob = await open('user:bob');
      const { response } = await bob.join(payload);
      expect(response.last_seq).toBe(60);
      expect(response.messages.length).toBeLessThanOrEqual((payload as { limit?: number }).limit ?? 50);
      await alice.say('live');
      await bob.socket.next((frame) => frame[3] === 'message' && frame[4].seq === 61);
      expect(bob.seqs).toEqual([...expected, 61]);
    });
  });

  test('a tail that is longer than memory is pushed in pages, before anything live', async () => {
    const alice = await filled(350);
    const bob = await open('user:bob');
    const join = bob.join({ last_seq: 0, limit: 1 });
    await alice.say('live');
    expect(seqsOf(await join)).toEqual([1]);
    await bob.socket.next((frame) => frame[3] === 'message' && frame[4].seq === 351);
    expect(bob.seqs).toEqual(range(1, 351));
  });

  test.each([
    ['limit', 0],
    ['limit', 201],
    ['limit', -1],
    ['limit', 1.5],
    ['limit', '10'],
    ['last_seq', -1],
    ['last_seq', 1.5],
    ['last_seq', '5'],
    ['last_seq', true],
    ['last_seq', 2 ** 53],
    ['last_seq', [1]],
  ])('%s of %j is refused, and the next join works', async (field, value) => {
    const client = await open('user:alice');
    const { status, response } = await client.join({ [field]: value });
    expect(status).toBe('error');
    expect(response).toMatchObject({ reason: 'invalid_request', retryable: false });
    expect(Object.keys(response.errors)).toEqual([field]);
    expect(await client.join({ limit: 200, last_seq: 0 })).toMatchObject({ status: 'ok' });
  });

  test('a join ahead of its frames: pushes that were sent with it are answered after it', async () => {
    const client = await open('user:alice');
    const answers = [client.join(), client.push('send', draft()), client.push('history')];
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(['ok', 'ok', 'ok']);
    const replies = client.socket.texts.map((text) => JSON.parse(text)).filter(([, ref]) => ref !== null);
    expect(replies.map(([, ref]) => ref)).toEqual(['1', '2', '3']);
  });
});

describe('who may join', () => {
  async function refusal(participantId: string, topicId: string): Promise<string> {
    const client = await open(participantId, topicId);
    await client.join();
    return client.socket.texts.at(-1)!.replace(`"session:${topicId}"`, '"session:ID"');
  }

  test('absent, hidden and malformed look the same, byte for byte', async () => {
    const absent = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
    const refusals = [
      await refusal('user:stranger', sessionId),
      await refusal('user:stranger', absent),
      await refusal('user:alice', absent),
      await refusal('user:alice', 'not-an-id'),
      await refusal('user:alice', sessionId.toLowerCase()),
      await refusal('user:alice', ''),
      await refusal('user:nobody', sessionId),
    ];
    expect(new Set(refusals).size).toBe(1);
    expect(JSON.parse(refusals[0]!)).toEqual([
      '1',
      '1',
      'session:ID',
      'phx_reply',
      {
        status: 'error',
        response: {
          reason: 'session_not_found',
          message: 'The session does not exist, or you are not in it',
          retryable: false,
        },
      },
    ]);
  });

  test('a refused join leaves nothing: pushes find no topic, broadcasts pass by', async () => {
    const alice = await joined('user:alice');
    const stranger = await open('user:stranger');
    await stranger.join();
    expect((await stranger.push('send', draft())).response).toEqual({ reason: 'unmatched topic' });
    await alice.say('private');
    expect(await stranger.socket.settle()).toEqual([]);
    expect(stranger.seqs).toEqual([]);
  });

  test('the service observes', async () => {
    await filled(2);
    const service = await open();
    expect(seqsOf(await service.join())).toEqual([1, 2]);
  });

  test('an ex-member is closed out: it cannot push, nor come back', async () => {
    const bob = await joined('user:bob');
    await bob.say('still here');
    const { status } = await server.api('DELETE', `/api/sessions/${sessionId}/members/user:bob`);
    expect(status).toBe(200);
    await bob.socket.next((frame) => frame[3] === 'phx_close' && frame[2] === bob.topic);
    expect((await bob.push('send', draft())).response.reason).toBe('unmatched topic');
    expect((await bob.push('history')).response.reason).toBe('unmatched topic');
    expect((await bob.join()).response.reason).toBe('session_not_found');
    expect(await storedSeqs()).toEqual([1]);
  });

  test('a member that is added may join', async () => {
    const stranger = await open('user:stranger');
    expect((await stranger.join()).status).toBe('error');
    await server.api('PUT', `/api/sessions/${sessionId}/members/user:stranger`, { body: {} });
    expect((await stranger.join()).status).toBe('ok');
  });

  test('other topics: no channel', async () => {
    const socket = resources.use(await RawSocket.open(server.socketUrl('user:alice')));
    for (const topic of ['nope', 'room:1', `Session:${sessionId}`, sessionId]) {
      socket.send(['1', '1', topic, 'phx_join', {}]);
      expect(await socket.next()).toEqual([
        null,
        '1',
        topic,
        'phx_reply',
        { status: 'error', response: { reason: 'unmatched topic' } },
      ]);
    }
  });
});

describe('send', () => {
  test('the reply has the exact shape, and is what is stored', async () => {
    const alice = await joined('user:alice');
    const payload = { ...draft({ text: 'hi', list: [1, null] }, { metadata: { a: 1 } }), client_id: 'k 1' };
    const { status, response } = await alice.push('send', payload);
    expect(status).toBe('ok');
    const reply = sendReplySchema.parse(response);
    expect(reply).toMatchObject({ message: { seq: 1, client_id: 'k 1' }, deduplicated: false });
    const { body } = await server.api('GET', `/api/sessions/${sessionId}/messages`);
    expect(body.messages).toEqual([
      {
        ...reply.message,
        session_id: sessionId,
        sender_id: 'user:alice',
        kind: 'text',
        content: { text: 'hi', list: [1, null] },
        metadata: { a: 1 },
      },
    ]);
  });

  test('without a client_id the reply has none', async () => {
    const alice = await joined('user:alice');
    const { response } = await alice.push('send', { ...draft(), client_id: null });
    expect(Object.keys(response.message)).toEqual(['id', 'seq', 'inserted_at']);
  });

  test('the sender gets its reply, then its own broadcast', async () => {
    const alice = await joined('user:alice');
    for (let n = 0; n < 20; n += 1) await alice.say(String(n));
    await alice.socket.settle();
    const events = alice.socket.texts.map((text) => JSON.parse(text)).slice(1, 41);
    expect(events.map(([, , , event]) => event)).toEqual(
      Array.from({ length: 20 }, () => ['phx_reply', 'message']).flat(),
    );
  });

  test('each message is broadcast to every member, the same bytes', async () => {
    const members = [await joined('user:alice'), await joined('user:bob'), await joined('user:carol')];
    await members[0]!.push('send', { ...draft(), client_id: 'k' });
    const frames = await Promise.all(
      members.map(({ socket }) => socket.next((each) => each[3] === 'message')),
    );
    expect(frames[0].slice(0, 4)).toEqual([null, null, `session:${sessionId}`, 'message']);
    const message = messageSchema.strict().parse(frames[0][4]);
    expect(message).toMatchObject({ seq: 1, sender_id: 'user:alice', client_id: 'k', session_id: sessionId });
    const bytes = members.map(({ socket }) => socket.texts.find((text) => text.includes('"message",')));
    expect(new Set(bytes).size).toBe(1);
    const { body } = await server.api('GET', `/api/sessions/${sessionId}/messages`);
    expect(body.messages).toEqual([message]);
  });

  test('serializer V1: join, send, reply before broadcast, and the same message', async () => {
    const bob = await joined('user:bob');
    const old = resources.use(await RawSocket.open(server.socketUrl('user:alice'), { vsn: '1.0.0' }));
    const topic = `session:${sessionId}`;
    old.send({ topic, event: 'phx_join', payload: {}, ref: '1' });
    const join = await old.next();
    expect(join).toMatchObject({ topic, event: 'phx_reply', ref: '1', payload: { status: 'ok' } });
    joinReplySchema.parse(join.payload.response);
    old.send({ topic, event: 'send', payload: draft(), ref: '2' });
    const [reply, broadcast] = await old.take(2);
    expect(reply).toMatchObject({ event: 'phx_reply', ref: '2', payload: { status: 'ok' } });
    expect(broadcast).toMatchObject({ topic, event: 'message', ref: null });
    const [, , , , seen] = await bob.socket.next((frame) => frame[3] === 'message');
    expect(broadcast.payload).toEqual(seen);
  });

  test('nothing reaches other sessions, topics of the same socket included', async () => {
    const other = await addGroup(server, 'user:alice', 'user:bob');
    const alice = await joined('user:alice');
    const bob = await open('user:bob', other);
    await bob.join();
    alice.socket.send(['o', 'o', `session:${other}`, 'phx_join', {}]);
    await alice.socket.next((frame) => frame[1] === 'o');
    await alice.say('here only');
    expect(await bob.socket.settle()).toEqual([]);
    const topics = (await alice.socket.settle()).map(([, , topic]) => topic);
    expect(topics).toEqual([`session:${sessionId}`]);
  });

  test('the same client_id again: the first message, and no second broadcast', async () => {
    const [alice, bob] = [await joined('user:alice'), await joined('user:bob')];
    const payload = { ...draft({ text: 'once' }), client_id: 'k' };
    const first = await alice.push('send', payload);
    const again = await alice.push('send', payload);
    expect(again.response).toEqual({ ...first.response, deduplicated: true });
    const rest = await server.api('POST', `/api/sessions/${sessionId}/messages`, {
      as: 'user:alice',
      body: { content: { text: 'once' }, client_id: 'k' },
    });
    expect(rest.body).toMatchObject({ message: first.response.message, deduplicated: true });
    await alice.say('next');
    await bob.socket.next((frame) => frame[3] === 'message' && frame[4].seq === 2);
    expect(bob.seqs).toEqual([1, 2]);
  });

  test('the same client_id for something else is a conflict, and the stored message stands', async () => {
    const alice = await joined('user:alice');
    await alice.push('send', { ...draft({ text: 'first' }), client_id: 'k' });
    for (const other of [draft({ text: 'other' }), draft({ text: 'first' }, { kind: 'tool_call' })]) {
      const { status, response } = await alice.push('send', { ...other, client_id: 'k' });
      expect(status).toBe('error');
      expect(response).toMatchObject({ reason: 'client_id_conflict', retryable: false });
    }
    const bob = await joined('user:bob');
    const own = await bob.push('send', { ...draft({ text: 'of bob' }), client_id: 'k' });
    expect(own.response).toMatchObject({ message: { seq: 2 }, deduplicated: false });
  });

  test('many in flight keep their order, and are answered in it', async () => {
    const alice = await joined('user:alice');
    const refs = range(1, 300).map((n) => alice.write('send', draft({ n })));
    const answers = await Promise.all(refs.map((ref) => alice.answerTo(ref)));
    expect(answers.map(({ response }) => response.message.seq)).toEqual(range(1, 300));
    const replies = alice.socket.texts
      .map((text) => JSON.parse(text))
      .filter((each) => each[3] === 'phx_reply');
    expect(replies.slice(1).map(([, ref]) => ref)).toEqual(refs);
    const { response } = await alice.push('history', { after_seq: 0, limit: 200 });
    expect(response.messages.map((message: { content: { n: number } }) => message.content.n)).toEqual(
      range(1, 200),
    );
  });

  test('the service keeps the order of several senders, known or not', async () => {
    const service = await joined();
    const senders = range(1, 20).map((n) => `user:sender-${n}`);
    await addParticipants(server, ...senders);
    for (const id of senders) {
      await server.api('PUT', `/api/sessions/${sessionId}/members/${id}`, { body: {} });
      // Forgotten by the node, so that each has to be looked up.
      await addParticipants(server, id);
    }
    const refs = [...senders, ...senders, 'user:alice'].map((sender_id) =>
      service.write('send', { ...draft(), sender_id }),
    );
    const answers = await Promise.all(refs.map((ref) => service.answerTo(ref)));
    expect(answers.map(({ response }) => response.message.seq)).toEqual(range(1, 41));
  });

  test('answers keep the order of the frames, whatever they are', async () => {
    const alice = await joined('user:alice');
    const refs = [
      alice.write('send', { ...draft(), client_id: 'k' }),
      alice.write('send', { ...draft(), sender_id: 'user:bob' }),
      alice.write('send', draft()),
      alice.write('send', { ...draft(), client_id: 'k' }),
      alice.write('send', {}),
      alice.write('send', draft()),
      alice.write('history', {}),
      alice.write('send', draft({}, { kind: 'assistant' })),
      alice.write('send', draft()),
      alice.write('nonsense'),
      alice.write('send', draft()),
      alice.write('history', []),
      alice.write('send', draft()),
    ];
    await alice.answerTo(refs.at(-1)!);
    const replies = alice.socket.texts
      .map((text) => JSON.parse(text))
      .filter((each) => each[3] === 'phx_reply');
    expect(replies.slice(1).map(([, ref, , , { status }]) => [ref, status])).toEqual(
      refs.map((ref, index) => [ref, [1, 4, 7, 9, 11].includes(index) ? 'error' : 'ok']),
    );
  });

  test('sends, then a leave: all are answered before it, and after it there is no topic', async () => {
    const [alice, bob] = [await joined('user:alice'), await joined('user:bob')];
    const refs = [
      ...range(1, 5).map((n) => alice.write('send', draft({ n }))),
      alice.write('phx_leave'),
      alice.write('send', draft()),
    ];
    const late = await alice.answerTo(refs.at(-1)!);
    expect(late.response).toEqual({ reason: 'unmatched topic' });
    expect(outcomesOf(alice)).toEqual([
      ...refs.slice(0, 5).map((ref) => `1 ${ref} ok`),
      `1 ${refs[5]} ok`,
      '1 1 phx_close',
      `null ${refs[6]} error`,
    ]);
    await bob.say('after');
    await alice.socket.settle();
    expect(await storedSeqs()).toEqual(range(1, 6));
    expect(alice.seqs).not.toContain(6);
  });

  test('sends, then a rejoin: all are answered before it, and it has seen them', async () => {
    const alice = await joined('user:alice');
    const refs = range(1, 5).map((n) => alice.write('send', draft({ n })));
    const { status, response } = await alice.join({ last_seq: 0 });
    expect(status).toBe('ok');
    expect(response.last_seq).toBe(5);
    const last = await alice.push('send', draft());
    expect(last.response.message.seq).toBe(6);
    expect(outcomesOf(alice)).toEqual([
      ...refs.map((ref) => `1 ${ref} ok`),
      '7 7 ok',
      '1 1 phx_close',
      '7 8 ok',
    ]);
  });
});

describe('who sends', () => {
  test.each([
    ['itself by default', 'user:alice', {}, 'user:alice'],
    ['itself by name', 'user:alice', { sender_id: 'user:alice' }, 'user:alice'],
    ['the service for a member', undefined, { sender_id: 'user:bob' }, 'user:bob'],
    ['the service, a system message', undefined, draft({}, { kind: 'system' }), 'system:fleetlm'],
    [
      'the service, a system message of the system sender',
      undefined,
      { ...draft({}, { kind: 'system' }), sender_id: 'system:fleetlm' },
      'system:fleetlm',
    ],
    ['an agent, as assistant', 'agent:bot', draft({}, { kind: 'assistant' }), 'agent:bot'],
    ['anyone, a tool call', 'user:alice', draft({}, { kind: 'tool_call' }), 'user:alice'],
  ])('%s', async (_name, as, payload, senderId) => {
    const client = await joined(as);
    expect((await client.push('send', { ...draft(), ...payload })).status).toBe('ok');
    const [, , , , message] = await client.socket.next((frame) => frame[3] === 'message');
    expect(message.sender_id).toBe(senderId);
  });

  test.each([
    ['as somebody else', 'user:alice', { sender_id: 'user:bob' }, 'forbidden', undefined],
    ['as the system', 'user:alice', { sender_id: 'system:fleetlm' }, 'forbidden', undefined],
    ['a system message', 'user:alice', draft({}, { kind: 'system' }), 'forbidden', undefined],
    ['assistant by a person', 'user:alice', draft({}, { kind: 'assistant' }), 'invalid_request', 'kind'],
    ['the service for nobody', undefined, {}, 'invalid_request', 'sender_id'],
    ['the service for a stranger', undefined, { sender_id: 'user:stranger' }, 'not_a_member', undefined],
    ['the service for an absent one', undefined, { sender_id: 'user:nobody' }, 'not_a_member', undefined],
    [
      'a system message of a member',
      undefined,
      { ...draft({}, { kind: 'system' }), sender_id: 'user:alice' },
      'invalid_request',
      'sender_id',
    ],
    [
      'the system sender, not a system message',
      undefined,
      { sender_id: 'system:fleetlm' },
      'invalid_request',
      'kind',
    ],
  ])('refused: %s', async (_name, as, payload, reason, field) => {
    const client = await joined(as);
    const { status, response } = await client.push('send', { ...draft(), ...payload });
    expect(status).toBe('error');
    expect(response.reason).toBe(reason);
    if (field !== undefined) expect(Object.keys(response.errors)).toEqual([field]);
    expect(await storedSeqs()).toEqual([]);
  });

  test('a disabled participant is cut off, and cannot connect', async () => {
    await addParticipants(server, 'user:gone');
    await server.api('PUT', `/api/sessions/${sessionId}/members/user:gone`, { body: {} });
    const gone = await joined('user:gone');
    await server.api('PUT', '/api/participants/user:gone', { body: { status: 'disabled' } });
    expect(await gone.socket.closed).toEqual({ code: 1008, reason: 'participant_disabled' });
    await expect(open('user:gone')).rejects.toMatchObject({ status: 403 });
  });
});

describe('history of 120 messages', () => {
  let bob: SessionClient;

  beforeAll(async () => {
    const id = await addGroup(server, 'user:alice', 'user:bob');
    bob = await SessionClient.open(server.socketUrl('user:bob'), id);
    await bob.join();
    await bob.sayMany(120);
  });
  afterAll(() => bob[Symbol.asyncDispose]());

  test.each([
    ['the newest 50', {}, range(71, 120), true, false],
    ['the newest limit', { limit: 2 }, [119, 120], true, false],
    ['after_seq', { after_seq: 100 }, range(101, 120), true, false],
    ['after_seq with limit', { after_seq: 10, limit: 5 }, range(11, 15), true, true],
    ['from the start', { after_seq: 0, limit: 200 }, range(1, 120), false, false],
    ['after the end', { after_seq: 120 }, [], true, false],
    ['far after the end', { after_seq: 9_000 }, [], true, false],
    ['before_seq: the newest before it', { before_seq: 50, limit: 3 }, [47, 48, 49], true, true],
    ['before_seq down to the start', { before_seq: 4 }, [1, 2, 3], false, true],
    ['before the first', { before_seq: 1 }, [], false, true],
    ['before_seq 0', { before_seq: 0 }, [], false, true],
    ['before_seq beyond the end', { before_seq: 9_000, limit: 2 }, [119, 120], true, false],
    ['both: the oldest between', { after_seq: 10, before_seq: 14 }, [11, 12, 13], true, true],
    ['both with limit', { after_seq: 10, before_seq: 14, limit: 2 }, [11, 12], true, true],
    ['both, nothing between', { after_seq: 10, before_seq: 11 }, [], true, true],
    ['both, the wrong way round', { after_seq: 20, before_seq: 10 }, [], true, true],
    ['nulls are none', { after_seq: null, before_seq: null, limit: 1 }, [120], true, false],
  ])('%s', async (_name, payload, seqs, hasMoreBefore, hasMoreAfter) => {
    const { response } = await bob.push('history', payload);
    const reply = historyReplySchema.parse(response);
    expect(reply.messages.map((message) => message.seq)).toEqual(seqs);
    expect([reply.has_more_before, reply.has_more_after]).toEqual([hasMoreBefore, hasMoreAfter]);
  });

  test.each([
    ['limit', 0],
    ['limit', 201],
    ['limit', 'x'],
    ['after_seq', -1],
    ['after_seq', 0.5],
    ['before_seq', '1'],
    ['before_seq', {}],
  ])('%s of %j is refused', async (field, value) => {
    const { status, response } = await bob.push('history', { [field]: value });
    expect(status).toBe('error');
    expect(response.reason).toBe('invalid_request');
    expect(Object.keys(response.errors)).toEqual([field]);
  });
});

test('history of an empty session', async () => {
  const bob = await joined('user:bob');
  for (const payload of [{}, { after_seq: 0 }, { after_seq: 7 }, { before_seq: 7 }]) {
    const { response } = await bob.push('history', payload);
    expect(response).toEqual({ messages: [], has_more_before: false, has_more_after: false });
  }
});

test('history after sends in flight sees them', async () => {
  const alice = await joined('user:alice');
  for (let n = 0; n < 30; n += 1) alice.write('send', draft({ n }));
  expect(seqsOf(await alice.push('history', { limit: 1 }))).toEqual([30]);
});

describe('pages of large messages', () => {
  // 40 × 30 KiB: four to five pages of 256 KiB. Random digits, since Postgres would compress equal ones.
  const large = () =>
    Array.from({ length: 1_875 }, () => Math.random().toString(36).padEnd(16, '0').slice(0, 16));
  const pageBytes = 256 << 10;

  async function filledWithLarge(): Promise<SessionClient> {
    const alice = await joined('user:alice');
    for (let n = 0; n < 40; n += 1) {
      expect((await alice.push('send', draft({ text: large().join('') }))).status).toBe('ok');
    }
    return alice;
  }

  function sizeOf({ response }: ChannelAnswer): number {
    const sizes = response.messages.map((message: object) => Buffer.byteLength(JSON.stringify(message)));
    return sizes.reduce((sum: number, size: number) => sum + size, 0);
  }

  test('a page ends at 256 KiB, and the pages join up in both directions', async () => {
    const alice = await filledWithLarge();
    const forward: number[] = [];
    for (let more = true; more; ) {
      const page = await alice.push('history', { after_seq: forward.at(-1) ?? 0, limit: 200 });
      expect(sizeOf(page)).toBeLessThanOrEqual(pageBytes);
      forward.push(...seqsOf(page));
      more = page.response.has_more_after;
    }
    expect(forward).toEqual(range(1, 40));
    const backward: number[] = [];
    for (let more = true; more; ) {
      const page = await alice.push('history', { before_seq: backward[0] ?? 41, limit: 200 });
      expect(sizeOf(page)).toBeLessThanOrEqual(pageBytes);
      backward.unshift(...seqsOf(page));
      more = page.response.has_more_before;
    }
    expect(backward).toEqual(range(1, 40));
  });

  test('a join reply too: the newest that fit, or the oldest after a cursor, then the rest', async () => {
    await filledWithLarge();
    const bob = await open('user:bob');
    const newest = await bob.join();
    expect(sizeOf(newest)).toBeLessThanOrEqual(pageBytes);
    expect(seqsOf(newest).at(-1)).toBe(40);
    const carol = await open('user:carol');
    const oldest = await carol.join({ last_seq: 0, limit: 200 });
    expect(sizeOf(oldest)).toBeLessThanOrEqual(pageBytes);
    await carol.socket.next((frame) => frame[3] === 'message' && frame[4].seq === 40);
    expect(carol.seqs).toEqual(range(1, 40));
  });

  test('a message larger than a page comes alone', async () => {
    const text = 'x'.repeat(300 << 10);
    const path = `/api/sessions/${sessionId}/messages`;
    const big = await startTestServer({
      database: server.database,
      env: { FLEETLM_HTTP_BODY_BYTES: String(1 << 20) },
    });
    resources.use(big);
    for (const n of [1, 2, 3]) {
      const { status } = await big.api('POST', path, { as: 'agent:bot', body: { content: { n, text } } });
      expect(status).toBe(200);
    }
    const bob = await joined('user:bob', { last_seq: 3 });
    const page = await bob.push('history', { after_seq: 1, limit: 200 });
    expect(seqsOf(page)).toEqual([2]);
    expect(page.response).toMatchObject({ has_more_before: true, has_more_after: true });
  });
});

test('an unknown event is told so, and the topic goes on', async () => {
  const alice = await joined('user:alice');
  for (const event of ['nope', 'SEND', '', 'message', 'phx_reply', 'constructor', '__proto__']) {
    const { status, response } = await alice.push(event, {});
    expect(status).toBe('error');
    expect(response).toEqual({
      reason: 'unknown_event',
      message: `there is no event "${event}"`,
      retryable: false,
    });
  }
  expect(await alice.say('still here')).toBe(1);
});

describe('bad input', () => {
  const nested = (depth: number) => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
  const withProto = JSON.parse('{"deep":{"__proto__":{"admin":true}}}');
  const inContent = 'content.content';
  const inMetadata = 'content.metadata';

  test.each([
    ['no content', {}, 'content'],
    ['content of a text', { content: 'hello' }, 'content'],
    ['content of null', { content: null }, 'content'],
    ['content of an array', { content: [] }, 'content'],
    ['no inner content', { content: {} }, inContent],
    ['inner content of a text', { content: { content: 'hello' } }, inContent],
    ['inner content of an array', draft(['hello']), inContent],
    ['inner content of null', draft(null), inContent],
    ['metadata of a text', draft({}, { metadata: 'x' }), inMetadata],
    ['metadata of an array', draft({}, { metadata: [] }), inMetadata],
    ['an unknown kind', draft({}, { kind: 'video' }), 'content.kind'],
    ['a kind of the prototype', draft({}, { kind: 'constructor' }), 'content.kind'],
    ['a kind that is no text', draft({}, { kind: 5 }), 'content.kind'],
    ['client_id of a number', { ...draft(), client_id: 5 }, 'client_id'],
    ['an empty client_id', { ...draft(), client_id: '' }, 'client_id'],
    ['a client_id of 129', { ...draft(), client_id: 'x'.repeat(129) }, 'client_id'],
    ['a client_id with NUL', { ...draft(), client_id: 'a\0' }, 'client_id'],
    ['a client_id with a lone surrogate', { ...draft(), client_id: '\ud800' }, 'client_id'],
    ['sender_id of an object', { ...draft(), sender_id: {} }, 'sender_id'],
    ['an empty sender_id', { ...draft(), sender_id: '' }, 'sender_id'],
    ['33 levels', draft(nested(33)), inContent],
    ['2,000 levels', draft(nested(2_000)), inContent],
    ['33 levels of metadata', draft({}, { metadata: nested(33) }), inMetadata],
    ['NUL in a text', draft({ text: 'a\0b' }), inContent],
    ['NUL in a key', draft({ 'a\0b': 1 }), inContent],
    ['a lone high surrogate', draft({ text: '\ud83d' }), inContent],
    ['a lone low surrogate in a list', draft({ list: ['\udc00'] }), inContent],
    ['a lone surrogate in a key', draft({ '\udc00': 1 }), inContent],
    ['a __proto__ key', draft(withProto), inContent],
    ['a __proto__ key in metadata', draft({}, { metadata: withProto }), inMetadata],
    ['2^53', draft({ n: 2 ** 53 }), inContent],
    ['−2^53', draft({ n: -(2 ** 53) }), inContent],
    ['content over 32 KiB', draft({ text: 'x'.repeat(32 << 10) }), 'content'],
    ['content over 32 KiB by its UTF-8', draft({ text: 'é'.repeat(17 << 10) }), 'content'],
    ['metadata over 32 KiB', draft({}, { metadata: { text: 'x'.repeat(32 << 10) } }), 'content'],
  ])('%s', async (_name, payload, field) => {
    const [alice, bob] = [await joined('user:alice'), await joined('user:bob')];
    const { status, response } = await alice.push('send', payload);
    expect(status).toBe('error');
    expect(response).toMatchObject({ reason: 'invalid_request', retryable: false });
    expect(Object.keys(response.errors)).toEqual([field]);
    expect(response.message).toContain(field);
    expect(await storedSeqs()).toEqual([]);
    expect(await alice.say('goes on')).toBe(1);
    expect(await bob.say('others too')).toBe(2);
  });

  test('a number that is not finite', async () => {
    const alice = await joined('user:alice');
    alice.socket.send(`["1","9","session:${sessionId}","send",{"content":{"content":{"n":1e999}}}]`);
    const { response } = await alice.answerTo('9');
    expect(response.errors).toEqual({ [inContent]: ['contains a number that is not finite'] });
  });

  test('every bad field is named at once', async () => {
    const alice = await joined('user:alice');
    const { response } = await alice.push('send', {
      content: { kind: 'x', content: 1, metadata: 2 },
      client_id: '',
      sender_id: '',
    });
    const fields = [inContent, 'content.kind', inMetadata, 'client_id', 'sender_id'];
    expect(Object.keys(response.errors).sort()).toEqual(fields.sort());
  });

  test.each([['a text'], [5], [null], [['a list']]])('a payload of %j', async (payload) => {
    const alice = await joined('user:alice');
    expect(await alice.push('send', payload)).toMatchObject({
      status: 'error',
      response: { reason: 'invalid_request' },
    });
    expect(await alice.say('goes on')).toBe(1);
  });

  test('what is unusual but storable is stored as it is', async () => {
    const alice = await joined('user:alice');
    const content = {
      ...nested(31),
      constructor: 1,
      prototype: {},
      toString: null,
      '': [0.1, 5e-324, -0.5, 2 ** 53 - 1],
      text: '🌍 é \u2028 " \\ \u0001',
    };
    const { response } = await alice.push('send', draft(content));
    expect(response.message.seq).toBe(1);
    const [, , , , live] = await alice.socket.next((frame) => frame[3] === 'message');
    expect(live.content).toEqual(content);
    const { body } = await server.api('GET', `/api/sessions/${sessionId}/messages`);
    expect(body.messages[0].content).toEqual(content);
  });

  test('a frame over 64 KiB closes its socket with 1009, and no other', async () => {
    const [alice, bob] = [await joined('user:alice'), await joined('user:bob')];
    alice.write('send', draft({ text: 'x'.repeat(64 << 10) }));
    expect((await alice.socket.closed).code).toBe(1009);
    expect(await bob.say('goes on')).toBe(1);
  });
});

describe('a closed session', () => {
  test.each(['closed', 'archived'])('%s: no appends, but all can be read and joined', async (status) => {
    const alice = await filled(2);
    const { body } = await server.api('PATCH', `/api/sessions/${sessionId}`, { body: { status } });
    expect(body.session.status).toBe(status);
    const { response } = await alice.push('send', draft());
    expect(response).toMatchObject({ reason: 'session_closed', retryable: false });
    expect(seqsOf(await alice.push('history'))).toEqual([1, 2]);
    const bob = await open('user:bob');
    const join = await bob.join();
    expect(join.response).toMatchObject({ session: { status }, last_seq: 2 });
    expect(seqsOf(join)).toEqual([1, 2]);
    await server.api('PATCH', `/api/sessions/${sessionId}`, { body: { status: 'open' } });
    expect(await alice.say('open again')).toBe(3);
  });

  test('a retry of what was stored before still succeeds', async () => {
    const alice = await joined('user:alice');
    const payload = { ...draft(), client_id: 'k' };
    await alice.push('send', payload);
    await server.api('PATCH', `/api/sessions/${sessionId}`, { body: { status: 'closed' } });
    expect((await alice.push('send', payload)).response).toMatchObject({
      message: { seq: 1 },
      deduplicated: true,
    });
  });
});
