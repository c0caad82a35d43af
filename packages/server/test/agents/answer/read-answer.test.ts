import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AnswerEnd, AnswerEvent } from '../../../src/agents/answer/answer-event.ts';
import { answerLimits } from '../../../src/agents/answer/answer-limits.ts';
import { type AnswerSource, readAnswer } from '../../../src/agents/answer/read-answer.ts';
import { CallFailed, callFailure } from '../../../src/agents/call-failure.ts';

type Body = Iterable<Uint8Array | string> | AsyncIterable<Uint8Array | string>;

function sourceOf(contentType: string | undefined, body: Body, status = 200): AnswerSource {
  return { status, contentType, body: bytesOf(body), close() {} };
}

async function* bytesOf(body: Body): AsyncGenerator<Uint8Array> {
  for await (const piece of body) yield typeof piece === 'string' ? Buffer.from(piece) : piece;
}

async function read(
  source: AnswerSource,
): Promise<{ events: AnswerEvent[]; end: AnswerEnd; dropped: number }> {
  const events: AnswerEvent[] = [];
  let dropped = 0;
  const onDropped = () => void dropped++;
  for await (const event of readAnswer(source, onDropped)) events.push(event);
  const end = events.pop();
  if (end?.kind !== 'end' || events.some(({ kind }) => kind === 'end'))
    throw new Error('not one end, at the end');
  return { events, end, dropped };
}

/** The chunks of a whole answer, or the messages, and why it failed. */
async function reading(contentType: string | undefined, ...body: readonly (Uint8Array | string)[]) {
  const { events, end, dropped } = await read(sourceOf(contentType, body));
  return {
    chunks: events.flatMap((event) => (event.kind === 'chunk' ? [event.chunk] : [])),
    messages: events.flatMap((event) => (event.kind === 'messages' ? event.messages : [])),
    dropped,
    reason: end.failure?.reason ?? null,
    detail: end.failure?.detail,
  };
}

const sse = 'text/event-stream';
const ndjson = 'application/x-ndjson';
const json = 'application/json';

const start = { type: 'start', messageId: 'm1' };
const delta = { type: 'text-delta', id: 't', delta: 'Grüße 👋' };
const finish = { type: 'finish' };
const chunks = [start, delta, finish];
const lineEnd = Buffer.from('\n');

function event(data: unknown): string {
  return `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
}

function line(value: unknown): string {
  return `${typeof value === 'string' ? value : JSON.stringify(value)}\n`;
}

describe('an event stream', () => {
  test('of the AI SDK', async () => {
    const body = [...chunks.map(event), event('[DONE]')].join('');
    expect(await reading(sse, body)).toMatchObject({ chunks, dropped: 0, reason: null });
    expect(await reading('Text/Event-Stream; charset=UTF-8', body)).toMatchObject({ chunks });
  });

  test('ends with [DONE], whatever comes after it, and leaves the connection', async () => {
    let hasEnded = false;
    async function* body() {
      try {
        yield event(delta) + event('[DONE]') + event(delta);
        yield event(delta);
      } finally {
        hasEnded = true;
      }
    }
    const { events, end } = await read(sourceOf(sse, body()));
    expect(events).toEqual([{ kind: 'chunk', chunk: delta }]);
    expect([end.failure, hasEnded]).toEqual([null, true]);
  });

  test('of another API is none, though it ends with [DONE]', async () => {
    const foreign = event({ choices: [{ delta: { content: 'Hello' } }] });
    const { end, dropped } = await read(sourceOf(sse, [foreign, event('[DONE]')]));
    expect([end.failure?.reason, dropped]).toEqual(['invalid_answer', 1]);
  });

  test('with comments, names, ids, retry times, other line ends, data in several lines', async () => {
    const body = `\ufeff: hello\r\nevent: message\r\nid: 7\r\nretry: 10\r\ndata: {"type":\r\ndata: "finish"}\r\n\r\n`;
    expect(await reading(sse, body)).toMatchObject({ chunks: [finish], dropped: 0 });
  });

  test('whose last event lacks its empty line', async () => {
    for (const end of ['\n', '']) {
      expect(await reading(sse, event(delta), `data: {"type":"finish"}${end}`)).toMatchObject({
        chunks: [delta, finish],
      });
    }
  });

  test('with broken events: they are counted and dropped', async () => {
    const broken = ['{"type":', '[]', 'null', '"text"', '{}', '{"type":1}', '{"type":"x","__proto__":{}}'];
    expect(await reading(sse, ...broken.map(event), event(delta))).toMatchObject({
      chunks: [delta],
      dropped: broken.length,
      reason: null,
    });
  });
});

describe('an answer that ends with its connection', () => {
  /** As an agent that was killed leaves it, or one whose server knows no other way to end. */
  async function reasonOf(contentType: string, body: string): Promise<string | null> {
    const { end } = await read({ ...sourceOf(contentType, [body]), endsWithConnection: true });
    return end.failure?.reason ?? null;
  }

  test.each([
    [sse, event(start) + event(delta)],
    [sse, `${event(delta)}data: {"type":"fin`],
    [sse, ''],
    [ndjson, line(start) + line(delta)],
    [ndjson, ''],
    [json, line(start) + line(delta)],
    [json, JSON.stringify(delta)],
  ])('is lost when %s has no last chunk: %j', async (type, body) => {
    expect(await reasonOf(type, body)).toBe('connection_lost');
    expect(await reading(type, body)).toMatchObject({ reason: null });
  });

  test.each([
    [sse, event(delta) + event(finish)],
    [sse, event(delta) + event('[DONE]')],
    [sse, event({ type: 'abort' })],
    [sse, `data: ${JSON.stringify(finish)}`],
    [ndjson, line(delta) + line({ type: 'error', errorText: 'no' })],
    [json, line(delta) + line(finish)],
    [json, '{"text":"Hello"}'],
    [json, ''],
    ['text/plain', 'Hello'],
  ])('is complete when %s says so, or cannot: %j', async (type, body) => {
    expect(await reasonOf(type, body)).toBeNull();
  });
});

describe('JSON lines', () => {
  test.each([ndjson, 'application/jsonl', json])('as %s', async (type) => {
    expect(await reading(type, chunks.map(line).join(''))).toMatchObject({
      chunks,
      dropped: 0,
      reason: null,
    });
    // The last line need not end, empty ones do not count.
    expect(await reading(type, `\n\r\n${line(start)}\n${JSON.stringify(finish)}`)).toMatchObject({
      chunks: [start, finish],
      dropped: 0,
    });
  });

  test("in the original's format stream: each is there before the next one is sent", async () => {
    const sent: unknown[] = [];
    async function* body() {
      for (const chunk of chunks) {
        sent.push(chunk);
        yield line(chunk);
      }
    }
    const events = readAnswer(sourceOf(json, body()));
    for (const [index, chunk] of chunks.entries()) {
      expect((await events.next()).value).toEqual({ kind: 'chunk', chunk });
      expect(sent).toEqual(chunks.slice(0, index + 1));
    }
    expect((await events.next()).value).toMatchObject({ kind: 'end', failure: null });
  });

  test.each([ndjson, json])('as %s with broken ones, the first among them', async (type) => {
    const body = ['{"type":', line('')].join('') + line(delta) + line('nonsense') + line(finish);
    expect(await reading(type, body)).toMatchObject({ chunks: [delta, finish], dropped: 2, reason: null });
  });

  test('one line of JSON that is a chunk', async () => {
    expect(await reading(json, JSON.stringify(delta))).toMatchObject({ chunks: [delta] });
  });
});

describe('a document', () => {
  const text = (value: string) => ({ kind: 'text', content: { text: value }, metadata: {} });
  const parts = [{ type: 'text', text: 'hi' }];

  test.each([
    ['a text', { text: 'hi' }, [text('hi')]],
    ['a text with a type', { type: 'text', text: 'hi' }, [text('hi')]],
    ['a message', { messages: [{ content: { text: 'hi' } }] }, [text('hi')]],
    [
      'messages with all fields',
      {
        messages: [
          { kind: 'tool_call', content: { a: [1] }, metadata: { b: 2 }, unknown: 3 },
          { content: {} },
        ],
      },
      [
        { kind: 'tool_call', content: { a: [1] }, metadata: { b: 2 } },
        { kind: 'text', content: {}, metadata: {} },
      ],
    ],
    [
      'a UIMessage',
      { id: 'm1', role: 'assistant', parts, metadata: { model: 'x' }, createdAt: 'now' },
      [{ kind: 'assistant', content: { id: 'm1', role: 'assistant', parts }, metadata: { model: 'x' } }],
    ],
    [
      'a UIMessage of parts',
      { parts },
      [{ kind: 'assistant', content: { role: 'assistant', parts }, metadata: {} }],
    ],
  ])('with %s', async (_what, document, messages) => {
    // On one line, on one that ends, and as people write it.
    for (const body of [JSON.stringify(document), line(document), JSON.stringify(document, null, 2)]) {
      expect(await reading(json, body)).toMatchObject({ messages, chunks: [], reason: null });
    }
  });

  test('without messages, and an empty one, completes the turn', async () => {
    expect(await read(sourceOf(json, [JSON.stringify({ messages: [] })]))).toMatchObject({
      events: [{ kind: 'messages', messages: [] }],
      end: { failure: null },
    });
    expect(await read(sourceOf(json, []))).toMatchObject({ events: [], end: { failure: null } });
  });

  const deep = (depth: number): unknown => (depth === 0 ? {} : { a: deep(depth - 1) });
  test.each([
    ['no JSON', 'hello'],
    ['cut JSON', '{"text":"hi'],
    ['a number', '7'],
    ['an array', '[{"text":"hi"}]'],
    ['nothing that is known', '{"answer":"hi"}'],
    ['a message that is none', '{"messages":["hi"]}'],
    ['content that is no object', '{"messages":[{"content":"hi"}]}'],
    ['an unknown kind', '{"messages":[{"kind":"x","content":{}}]}'],
    ['a NUL character', '{"text":"\\u0000"}'],
    ['a lone surrogate', '{"text":"\\ud83d"}'],
    ['a __proto__ key', '{"messages":[{"content":{"__proto__":{"a":1}}}]}'],
    ['deep content', JSON.stringify({ messages: [{ content: deep(40) }] })],
    [
      'content of 100,000 levels',
      `{"messages":[{"content":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}]}`,
    ],
    ['101 messages', JSON.stringify({ messages: Array.from({ length: 101 }, () => ({ content: {} })) })],
    ["a user's UIMessage", JSON.stringify({ role: 'user', parts })],
    ['metadata that is no object', JSON.stringify({ parts, metadata: 'x' })],
  ])('with %s is refused, and says why', async (_what, body) => {
    const answer = await reading(json, body);
    expect(answer).toMatchObject({ messages: [], chunks: [], reason: 'invalid_answer' });
    expect(answer.detail).not.toBe('');
  });

  test('of 1 MiB is read', async () => {
    const value = 'x'.repeat(answerLimits.maxBytes - 20);
    expect((await reading(json, JSON.stringify({ text: value }))).messages).toEqual([text(value)]);
  });
});

describe('plain text', () => {
  const around = (...deltas: readonly string[]) => [
    { type: 'start' },
    { type: 'text-start', id: 'text' },
    ...deltas.map((each) => ({ type: 'text-delta', id: 'text', delta: each })),
    { type: 'text-end', id: 'text' },
    { type: 'finish' },
  ];

  test('streams as it comes', async () => {
    expect(await reading('text/plain; charset=utf-8', 'Hel', 'lo')).toMatchObject({
      chunks: around('Hel', 'lo'),
    });
  });

  test('waits for the rest of a character', async () => {
    const bytes = Buffer.from('a👋');
    expect(await reading('text/plain', bytes.subarray(0, 3), bytes.subarray(3))).toMatchObject({
      chunks: around('a', '👋'),
    });
  });

  test('that is no UTF-8 has U+FFFD in its place', async () => {
    expect(
      await reading('text/plain', Buffer.from([0x61, 0xff, 0x62]), Buffer.from([0xf0, 0x9f])),
    ).toMatchObject({
      chunks: around('a\ufffdb', '\ufffd'),
    });
  });

  test('comes in chunks that are not too long, and never cuts a character', async () => {
    const text = `a${'👋'.repeat(50_000)}${'\u0001'.repeat(20_000)}`;
    const { chunks: all } = await reading('text/plain', text);
    const deltas = all.flatMap((chunk) => (typeof chunk['delta'] === 'string' ? [chunk['delta']] : []));
    expect(deltas.join('')).toBe(text);
    for (const each of deltas) {
      expect(each.isWellFormed()).toBe(true);
      expect(Buffer.byteLength(JSON.stringify(each)) - 2).toBeLessThanOrEqual(answerLimits.maxLineBytes);
    }
  });

  test('of nothing is nothing', async () => {
    expect(await reading('text/plain')).toMatchObject({ chunks: [], reason: null });
  });
});

describe('nothing', () => {
  test.each([202, 204, 205])('%i completes the turn, whatever its body is', async (status) => {
    let closed = 0;
    const close = () => {
      closed += 1;
    };
    const source = { ...sourceOf('text/html', ['accepted'], status), close };
    expect(await read(source)).toMatchObject({ events: [], end: { failure: null } });
    expect(closed).toBe(1);
  });

  test('200 without a body does too, with any type', async () => {
    for (const type of [undefined, 'text/html', sse, ndjson]) {
      expect(await reading(type)).toMatchObject({ chunks: [], messages: [], reason: null });
    }
  });
});

describe('what is no answer', () => {
  test.each([
    undefined,
    '',
    'text/html',
    'application/octet-stream',
    'multipart/mixed; boundary=x',
    'text/plain; charset=utf-16',
    'application/json; charset="latin1"',
    '__proto__',
    'constructor',
  ])('content type %j', async (type) => {
    expect(await reading(type, 'x')).toMatchObject({ chunks: [], reason: 'unknown_content_type' });
  });

  test('a body of which nothing is a chunk', async () => {
    for (const type of [sse, ndjson]) {
      expect(await reading(type, '<html>\n\n</html>\n')).toMatchObject({ reason: 'invalid_answer' });
    }
    expect(await reading(json, '<html>\n<p>\n</html>')).toMatchObject({
      reason: 'invalid_answer',
      dropped: 3,
    });
  });

  test('its beginning is kept', async () => {
    const { end } = await read(sourceOf('text/html', ['<h1>\n', 'Oops', 'x'.repeat(4_000)]));
    expect(end.excerpt).toBe('<h1>');
    const { end: good } = await read(sourceOf('text/plain', ['Hel', 'lo\n', 'x'.repeat(4_000)]));
    expect(good.excerpt).toMatch(/^Hello x{1000}/);
    expect(good.excerpt.length).toBeLessThanOrEqual(1_024);
  });
});

describe('limits (S23)', () => {
  const { maxBytes, maxLineBytes, maxChunks } = answerLimits;
  const padded = (bytes: number) => {
    const empty = JSON.stringify({ type: 'x', y: '' });
    return JSON.stringify({ type: 'x', y: 'y'.repeat(bytes - empty.length) });
  };

  test.each([
    [sse, (text: string) => event(text)],
    [ndjson, (text: string) => line(text)],
    [json, (text: string) => line({ type: 'start' }) + line(text)],
  ])('%s: a line of 64 KiB is read, a byte more ends the answer', async (type, write) => {
    for (const pieces of [1, 7]) {
      const cut = (text: string) => cutInto(Buffer.from(text), pieces);
      expect(await reading(type, ...cut(write(padded(maxLineBytes))))).toMatchObject({ reason: null });
      expect(await reading(type, ...cut(write(padded(maxLineBytes + 1))))).toMatchObject({
        reason: 'line_too_large',
      });
      // Fewer characters, as many bytes.
      const wide = write(JSON.stringify({ type: 'x', y: '€'.repeat(maxLineBytes / 3) }));
      expect(await reading(type, ...cut(wide))).toMatchObject({ reason: 'line_too_large' });
    }
  });

  test.each([
    [sse, 'data: '],
    [sse, 'data: x\n'.repeat(10)],
    [sse, 'id: '],
    [ndjson, '{'],
  ])('%s: a line that begins %j and never ends', async (type, begin) => {
    let asked = 0;
    async function* body() {
      yield begin;
      for (;;) {
        asked += 1;
        yield begin.includes('\n') ? 'data: x\n'.repeat(512) : 'x'.repeat(4_096);
      }
    }
    const { end } = await read(sourceOf(type, body()));
    expect(end.failure?.reason).toBe('line_too_large');
    expect(asked).toBeLessThanOrEqual(70);
  });

  test('comments without an end are nothing, up to the size of an answer', async () => {
    async function* body() {
      for (;;) yield `:${'x'.repeat(10_000)}`;
    }
    expect((await read(sourceOf(sse, body()))).end.failure?.reason).toBe('answer_too_large');
  });

  test.each([sse, ndjson])('%s: 20,000 chunks are read, one more ends the answer', async (type) => {
    const write = type === sse ? event : line;
    const body = write({ type: 'x' }).repeat(maxChunks);
    expect((await reading(type, body)).chunks.length).toBe(maxChunks);
    const answer = await reading(type, body, write({ type: 'x' }).repeat(10));
    expect([answer.chunks.length, answer.reason]).toEqual([maxChunks, 'too_many_chunks']);
  });

  test('plain text that comes byte by byte', async () => {
    const answer = await reading('text/plain', ...Array.from({ length: maxChunks + 1 }, () => 'x'));
    expect([answer.chunks.length, answer.reason]).toEqual([maxChunks, 'too_many_chunks']);
  });

  test.each([sse, ndjson, json, 'text/plain'])('%s: 1 MiB ends the answer', async (type) => {
    let sent = 0;
    async function* body() {
      for (;;) {
        sent += 1;
        yield type === sse ? event(padded(32_000)) : line(padded(32_000));
      }
    }
    const { events, end } = await read(sourceOf(type, body()));
    expect(end.failure?.reason).toBe('answer_too_large');
    expect(events.length).toBeGreaterThan(0);
    expect(sent).toBe(Math.ceil(maxBytes / 32_001));
  });

  test.each([
    ['text/plain', '\u0001', maxBytes / 6],
    ['text/plain', '\n', maxBytes / 2],
    ['text/plain', 'é', maxBytes / 2],
    ['text/plain', Buffer.from([0xff]), maxBytes / 3],
    [ndjson, Buffer.from([0xff]), maxBytes / 3],
  ])('%s of %j: 1 MiB of what is stored ends the answer', async (type, character, count) => {
    const piece = Buffer.alloc(4_096, character);
    const fits = Math.floor((count * Buffer.byteLength(character)) / piece.length);
    const pieces = (pieceCount: number) =>
      Array.from({ length: pieceCount }, () => (type === ndjson ? Buffer.concat([piece, lineEnd]) : piece));
    expect((await reading(type, ...pieces(fits - 1), 'x')).reason).not.toBe('answer_too_large');
    expect((await reading(type, ...pieces(fits + 1))).reason).toBe('answer_too_large');
  });

  test('JSON of brackets costs little time', async () => {
    const line64 = `{"type":"x","y":${'['.repeat(60_000)}`;
    const before = process.threadCpuUsage();
    const answer = await reading(ndjson, line(delta), line(line64).repeat(16));
    expect(answer).toMatchObject({ chunks: [delta], dropped: 16 });
    // JSON.parse alone would take 50 to 90.
    const { user, system } = process.threadCpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(40);
  });
});

test('a call that breaks ends the answer with its reason; what came before counts', async () => {
  const failure = callFailure('connection_lost', 'ECONNRESET');
  async function* body() {
    yield `${event(delta)}data: {"type":"fin`;
    throw new CallFailed(failure);
  }
  expect(await read(sourceOf(sse, body()))).toMatchObject({
    events: [{ kind: 'chunk', chunk: delta }],
    end: { failure },
    dropped: 0,
  });
});

test('a fault of ours is not taken for a failure of the agent', async () => {
  async function* body() {
    yield event(delta);
    throw new TypeError('a bug');
  }
  await expect(read(sourceOf(sse, body()))).rejects.toThrow('a bug');
});

test('how the bytes are cut changes nothing but the deltas of plain text', async () => {
  const value = fc.oneof(
    fc.record({ type: fc.string(), delta: fc.string({ unit: 'binary' }) }),
    fc.jsonValue({ maxDepth: 3 }),
  );
  const body = fc.array(value, { minLength: 1, maxLength: 12 });
  const lineEnd = fc.constantFrom('\n', '\r\n');
  await fc.assert(
    fc.asyncProperty(
      body,
      lineEnd,
      fc.constantFrom(sse, ndjson, json),
      fc.nat(),
      async (values, end, type, seed) => {
        const written = values.map((each) => JSON.stringify(each));
        const text =
          type === sse
            ? written.map((each) => `data: ${each}${end}${end}`)
            : written.map((each) => each + end);
        const bytes = Buffer.from(text.join(''));
        const whole = await read(sourceOf(type, [bytes]));
        const pieces = await read(sourceOf(type, cutInto(bytes, 1 + (seed % bytes.length))));
        expect(pieces).toEqual(whole);
      },
    ),
    { numRuns: 100 },
  );
});

function cutInto(bytes: Buffer, pieces: number): Buffer[] {
  const size = Math.ceil(bytes.length / pieces);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}
