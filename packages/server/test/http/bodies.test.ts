import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Answer, expectProblem, type HttpFixture, startHttpFixture } from './http-fixture.ts';

const maxBodyBytes = 256 << 10;

let fixture: HttpFixture;
let path: string;
let before: unknown;

beforeAll(async () => {
  fixture = await startHttpFixture();
  await fixture.addParticipants('user:alice', 'user:bob', 'agent:helper');
  path = `/api/sessions/${await fixture.addSession('user:alice', 'agent:helper')}/messages`;
});

beforeEach(async () => {
  before = await fixture.stored();
});

afterAll(() => fixture[Symbol.asyncDispose]());

describe('what is no JSON', () => {
  test.each([
    ['cut short', '{"content":{}'],
    ['text', 'hello'],
    ['form data', 'content=1'],
    ['a byte order mark', '\ufeff{"content":{}}'],
    ['NaN', '{"content":{"n":NaN}}'],
    ['two values', '{"content":{}} {}'],
    ['white space', '   '],
  ])('%s: 400', async (_name, rawBody) => {
    const answer = await send(rawBody);
    expectProblem(answer, 'invalid_json');
    expect(answer.body.detail).not.toContain(rawBody.trim() || 'nothing');
    await expectNothingStored();
  });

  test('bytes that are not UTF-8: 400', async () => {
    const bytes = Buffer.concat([Buffer.from('{"content":{"a":"'), Buffer.of(0xff), Buffer.from('"}}')]);
    expectProblem(await send(bytes), 'invalid_json');
    await expectNothingStored();
  });

  test('no body where one is needed: 422, with and without a content type', async () => {
    const errors = { body: ['must be a JSON object'] };
    expectProblem(await fixture.call('POST', path, { as: 'user:alice' }), 'invalid_request', errors);
    expectProblem(await send(''), 'invalid_request', errors);
    await expectNothingStored();
  });

  test.each(['null', '[]', '"x"', '7', 'true'])('%s is no object: 422', async (rawBody) => {
    expectProblem(await send(rawBody), 'invalid_request', { body: ['must be a JSON object'] });
    await expectNothingStored();
  });

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'application/json-patch+json',
    'nonsense',
    '',
  ])('content type %j: 415', async (type) => {
    const answer = await send('{"content":{}}', { 'content-type': type });
    expectProblem(answer, 'unsupported_media_type');
    await expectNothingStored();
  });

  test('application/json with parameters, in any case, is accepted', async () => {
    const answer = await send('{"content":{}}', { 'content-type': 'Application/JSON; charset=UTF-8' });
    expect(answer.status).toBe(200);
  });
});

describe('what cannot be stored', () => {
  const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;

  test.each([
    ['NUL', '{"a":"\\u0000"}', 'contains a NUL character'],
    ['NUL in a key', '{"\\u0000":1}', 'contains a NUL character'],
    ['a lone surrogate', '{"a":["\\ud800"]}', 'contains a lone surrogate'],
    ['a lone surrogate in a key', '{"\\udfff":1}', 'contains a lone surrogate'],
    ['a __proto__ key', '{"a":{"__proto__":{"polluted":1}}}', 'has a "__proto__" key'],
    ['an integer beyond 2^53', '{"a":9007199254740993}', 'contains an integer outside ±(2^53 − 1)'],
    ['a negative one', '{"a":-9007199254740992}', 'contains an integer outside ±(2^53 − 1)'],
    ['a number beyond all', '{"a":1e200000}', 'contains a number that is not finite'],
    ['33 levels', deep(33), 'nests deeper than 32 levels'],
    ['an array', '[]', 'must be an object'],
  ])('%s: 422 for content and metadata', async (_name, json, problem) => {
    expectProblem(await send(`{"content":${json}}`), 'invalid_request', { content: [problem] });
    const metadata = await send(`{"content":{},"metadata":${json}}`);
    expectProblem(metadata, 'invalid_request', { metadata: [problem] });
    for (const method of ['PUT /api/participants/user:x', `PATCH ${path.replace('/messages', '')}`]) {
      const [verb, target] = method.split(' ') as [string, string];
      const answer = await fixture.call(verb, target, { rawBody: `{"metadata":${json}}` });
      expectProblem(answer, 'invalid_request', { metadata: [problem] });
    }
    await expectNothingStored();
  });

  test.each([
    ['40,000 levels of objects', `{"content":${deep(40_000)}}`],
    ['brackets that close', '['.repeat(128 << 10) + ']'.repeat(128 << 10)],
    ['brackets that never close', '['.repeat(256 << 10)],
    ['beside the fields', `{"content":{},"ignored":${'['.repeat(65)}${']'.repeat(65)}}`],
  ])('S16: %s are refused before they are parsed: 422', async (_name, rawBody) => {
    const errors = { body: ['nests deeper than 32 levels'] };
    expectProblem(await send(rawBody), 'invalid_request', errors);
    await expectNothingStored();
  });

  test.each([
    ['an array of 1,001 items', JSON.stringify(new Array(1_001).fill(0)), 'an array of more than 1000 items'],
    [
      'an object of 1,001 keys',
      `{${Array.from({ length: 1_001 }, (_, n) => `"${n}":1`)}}`,
      'an object of more than 1000 keys',
    ],
    ['a key of 257 characters', `{"${'k'.repeat(257)}":1}`, 'a key of more than 256 characters'],
  ])('S16: %s: 422', async (_name, json, problem) => {
    const answer = await send(`{"content":{"a":${json}}}`);
    expectProblem(answer, 'invalid_request', { content: [`has ${problem}`] });
    await expectNothingStored();
  });

  test('S15: a compressed body is refused, never inflated: 415', async () => {
    const bomb = gzipSync(JSON.stringify({ content: { text: 'x'.repeat(10 << 20) } }));
    for (const encoding of ['gzip', 'br', 'GZIP', 'gzip, gzip']) {
      const answer = await send(bomb, { 'content-encoding': encoding });
      expectProblem(answer, 'unsupported_media_type');
      expect(answer.body.detail).toContain('Content-Encoding');
    }
    await expectNothingStored();
    expect((await send('{"content":{}}', { 'content-encoding': 'identity' })).status).toBe(200);
  });

  test('32 levels, and the largest and smallest numbers, are stored as they are', async () => {
    const content = `{"a":[9007199254740991,-9007199254740991,0.1,5e-324],"deep":${deep(31)}}`;
    const answer = await send(`{"content":${content}}`);
    expect(answer.status).toBe(200);
    expect(answer.body.message.content).toEqual(JSON.parse(content));
  });

  test('__proto__ beside the fields is ignored, and pollutes nothing', async () => {
    const answer = await send(
      '{"__proto__":{"polluted":1,"client_id":"evil"},"constructor":{"prototype":{"polluted":1}},"content":{}}',
    );
    expect(answer.status).toBe(200);
    expect(answer.body.message).not.toHaveProperty('client_id');
    expect({}).not.toHaveProperty('polluted');
    const inherited = await send('{"__proto__":{"content":{}}}');
    expectProblem(inherited, 'invalid_request', { content: ['must be an object'] });
  });
});

describe('what is too large', () => {
  test('content and metadata of a person beyond 32 KiB: 422; an agent may send it', async () => {
    const body = JSON.stringify({
      content: { text: 'x'.repeat(20_000) },
      metadata: { a: 'y'.repeat(13_000) },
    });
    expectProblem(await send(body), 'invalid_request', {
      content: ['and metadata must not exceed 32768 bytes of JSON'],
    });
    await expectNothingStored();
    expect((await send(body, { 'x-participant-id': 'agent:helper' })).status).toBe(200);
  });

  test('bytes count, not characters', async () => {
    expectProblem(await send(JSON.stringify({ content: { text: '日'.repeat(11_000) } })), 'invalid_request');
    await expectNothingStored();
  });

  test('a body beyond the limit: 413, by its Content-Length', async () => {
    expectProblem(await send(bodyOf(maxBodyBytes + 1)), 'payload_too_large');
    const connection = fixture.connect();
    connection.write(`${head()}Content-Length: 1000000000000\r\n\r\n`);
    await connection.until('payload_too_large');
    connection.destroy();
    await expectNothingStored();
  });

  test('a body beyond the limit: 413, in chunks', async () => {
    const connection = fixture.connect();
    connection.write(`${head()}Transfer-Encoding: chunked\r\n\r\n`);
    const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
    connection.write(chunk.repeat(4));
    expect(connection.received).toBe('');
    connection.write(chunk);
    await connection.until('payload_too_large');
    // What is left is read and dropped: the connection goes on.
    connection.write(`${chunk.repeat(10)}0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await connection.until('{"status":"live"}');
    connection.destroy();
    await expectNothingStored();
  });

  test('whoever sends on without end is cut', async () => {
    const connection = fixture.connect();
    connection.write(`${head()}Transfer-Encoding: chunked\r\n\r\n`);
    const chunk = `100000\r\n${' '.repeat(0x100000)}\r\n`;
    for (let sent = 0; sent < 64 && !connection.isClosed; sent += 1) {
      await new Promise((resolve) => connection.socket.write(chunk, resolve));
    }
    await connection.closed;
    expect(connection.socket.bytesWritten).toBeLessThan(48 << 20);
    await expectNothingStored();
  });

  test('a body at the limit is read', async () => {
    const answer = await send(bodyOf(maxBodyBytes));
    expectProblem(answer, 'invalid_request');
  });

  function bodyOf(bytes: number): string {
    const frame = '{"content":{"text":""}}';
    return frame.replace('""', `"${'x'.repeat(bytes - frame.length)}"`);
  }

  function head(): string {
    return `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
  }
});

function send(rawBody: string | Uint8Array, headers: Record<string, string> = {}): Promise<Answer> {
  return fixture.call('POST', path, { rawBody, headers: { 'x-participant-id': 'user:alice', ...headers } });
}

async function expectNothingStored(): Promise<void> {
  expect(await fixture.stored()).toEqual(before);
}
