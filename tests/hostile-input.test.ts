import { connect } from 'node:net';
import { serializerV2 } from '@fleetlm/protocol';
import {
  addGroup,
  addParticipants,
  callApi,
  HandshakeRefused,
  RawSocket,
  SessionClient,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

/**
 * I34: malformed and malicious handshakes, frames and bodies, each with its exact reaction. Beside them two people
 * talk in one session: after each input they must not have noticed, and nothing may have been logged as a fault.
 */
const mallory = 'user:mallory';

let server: TestServer;
let sessionId: string;
let control: SessionClient;
const faults: object[] = [];

beforeAll(async () => {
  const log = { debug() {}, info() {}, warn() {}, error: (fields: object) => void faults.push(fields) };
  // What is shed under load is another matter.
  const env = { FLEETLM_APPEND_QUEUE_MS: '8000', FLEETLM_LOAD_LAG_MS: '60000' };
  server = await startTestServer({ env, overrides: { log } });
  await addParticipants(server, 'user:alice', 'user:bob', mallory);
  sessionId = await addGroup(server, 'user:alice', 'user:bob', mallory);
  control = await SessionClient.open(server.socketUrl('user:alice'), sessionId);
  await control.join();
});
afterAll(async () => {
  await control[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

afterEach(async () => {
  const seq = await control.say('did you notice anything?');
  await waitUntil(() => control.seqs.at(-1) === seq);
  expect(faults).toEqual([]);
});

describe('a handshake', () => {
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
  const version = 'Sec-WebSocket-Version: 13';
  const upgrade = ['Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket'];
  const good = [...upgrade, key, version];
  const path = '/socket/websocket?vsn=2.0.0';

  test.each<[string, string, readonly string[], number]>([
    ['without a key', path, [...upgrade, version], 400],
    ['with a key of another length', path, [...upgrade, 'Sec-WebSocket-Key: eA==', version], 400],
    ['without a version', path, [...upgrade, key], 400],
    ['of version 12', path, [...upgrade, key, 'Sec-WebSocket-Version: 12'], 400],
    ['with a malformed subprotocol', path, [...good, 'Sec-WebSocket-Protocol: phoenix, ,'], 400],
    ['with a subprotocol twice', path, [...good, 'Sec-WebSocket-Protocol: phoenix, phoenix'], 400],
    ['with another subprotocol', path, [...good, 'Sec-WebSocket-Protocol: chat'], 403],
    ['of another path', '/socket/websocket/x', good, 404],
    ['of a path that climbs', '/socket/../socket/websocket', good, 404],
    ['of an escaped path', '/socket/%77ebsocket', good, 404],
    ['of another protocol version', '/socket/websocket?vsn=3.0.0', good, 403],
    ['of nobody', `${path}&participant_id=`, good, 403],
    ['of a name with NUL', `${path}&participant_id=a%00b`, good, 403],
    ['of a name with a line break', `${path}&participant_id=a%0d%0ab`, good, 403],
    ['of a name of 129 characters', `${path}&participant_id=${'x'.repeat(129)}`, good, 403],
    ['of a name that is no UTF-8', path, [...good, 'X-Participant-Id: \xff'], 403],
    ['from the origin null', path, [...good, 'Origin: null'], 403],
    ['from an empty origin', path, [...good, 'Origin: '], 403],
    ['from an unparsable origin', path, [...good, 'Origin: //'], 403],
    ['from two origins', path, [...good, 'Origin: http://localhost', 'Origin: http://localhost'], 403],
    ['from the host as another scheme', path, [...good, 'Origin: file://localhost'], 403],
    ['from another port', path, [...good, 'Origin: http://localhost:1'], 403],
    ['from a longer host', path, [...good, 'Origin: http://localhost.evil.example'], 403],
    ['from a user at the host', path, [...good, 'Origin: http://localhost@evil.example'], 403],
    ['to another host', path, ['Host: evil.example', ...good.slice(1)], 403],
    ['to two hosts', path, ['Host: evil.example', ...good], 403],
    ['with 20 KiB of headers', path, [...good, `X: ${'x'.repeat(20 << 10)}`], 400],
    ['with a header that has no name', path, [...good, ': x'], 400],
    ['with a folded header', path, [...good, 'X: a', ' b'], 400],
    ['with NUL in a header', path, [...good, 'X: a\0b'], 400],
  ])('%s is refused', async (_name, target, headers, status) => {
    const answer = await exchange(`GET ${target} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer.toLowerCase()).toContain('connection: close');
    if (status !== 400) expect(answer.split('\r\n\r\n')[1]).toBe('');
  });

  test.each([
    ['TLS', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a proxy’s greeting', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n'],
    ['bare line feeds', 'GET / HTTP/1.1\nHost: localhost\n\n'],
    ['zeros', '\0'.repeat(100)],
  ])('%s is no HTTP/1.1: 400', async (_name, bytes) => {
    expect(await exchange(bytes)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('S15: permessage-deflate is declined, whatever it offers', async () => {
    const offer =
      'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-webkit-deflate-frame';
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    let answer = '';
    socket.on('data', (data) => {
      answer += data;
    });
    socket.write(`GET ${path} HTTP/1.1\r\n${[...good, offer].join('\r\n')}\r\n\r\n`);
    await waitUntil(() => answer.includes('\r\n\r\n'));
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
    expect(answer.toLowerCase()).not.toContain('sec-websocket-extensions');
    socket.destroy();
  });

  test('S1: Origin is compared by scheme, host and port, not by letter', async () => {
    const statusOf = async (origin: string) => {
      const url = server.socketUrl(mallory).replace('127.0.0.1', 'localhost');
      const opened = await RawSocket.open(url, { headers: { origin } }).catch((error: unknown) => error);
      if (opened instanceof HandshakeRefused) return opened.status;
      await (opened as RawSocket)[Symbol.asyncDispose]();
      return 101;
    };
    const { port } = new URL(server.url);
    expect(await statusOf(`HTTP://LOCALHOST:${port}`)).toBe(101);
    expect(await statusOf(`http://localhost:0${port}`)).toBe(101);
    expect(await statusOf('http://localhost')).toBe(403);
  });

  /** Everything that comes back until the server hangs up. */
  async function exchange(text: string): Promise<string> {
    const { port } = new URL(server.url);
    const socket = connect(Number(port), '127.0.0.1');
    let answer = '';
    socket.on('data', (data) => {
      answer += data.toString('latin1');
    });
    socket.on('error', () => undefined);
    const closed = Promise.withResolvers<void>();
    socket.once('close', () => closed.resolve());
    socket.write(Buffer.from(text, 'latin1'));
    await closed.promise;
    return answer;
  }
});

describe('a frame', () => {
  test.each<[string, Buffer, number]>([
    ['without a mask', Buffer.from([0x81, 0x02, 0x5b, 0x5d]), 1002],
    ['with the first reserved bit, as if compressed', frame(0xc1, 'x'), 1002],
    ['with the second reserved bit', frame(0xa1, 'x'), 1002],
    ['of opcode 3', frame(0x83, 'x'), 1002],
    ['of opcode 15', frame(0x8f, ''), 1002],
    ['that goes on with nothing', frame(0x80, 'x'), 1002],
    ['that begins within another', Buffer.concat([frame(0x01, '['), frame(0x81, ']')]), 1002],
    ['that pings in two parts', frame(0x09, 'x'), 1002],
    ['that pings with 126 bytes', Buffer.concat([Buffer.from([0x89, 0xfe, 0, 126, 0, 0, 0, 0])]), 1002],
    ['that closes with one byte', frame(0x88, 'x'), 1002],
    ['that closes with code 999', frame(0x88, '\x03\xe7'), 1002],
    ['that closes with code 1005', frame(0x88, '\x03\xed'), 1002],
    ['that closes with a reason that is no UTF-8', frame(0x88, '\x03\xe8\xff'), 1007],
    ['that is no UTF-8', frame(0x81, '\xc3\x28'), 1007],
    ['that ends within a character', frame(0x81, '\xf0\x9f\x98'), 1007],
    ['that announces 2^63 bytes', Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]), 1009],
    ['that announces 64 KiB and one byte', Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 1]), 1009],
    [
      'S13: of 64 KiB and one byte in parts',
      Buffer.concat([largeFrame(0x01, 40_000), largeFrame(0x80, 25_537)]),
      1009,
    ],
    ['S14: in 100 parts', Buffer.concat([frame(0x01, '['), ...Array(100).fill(frame(0x00, '1'))]), 1008],
    ['S14: in 100 empty parts', Buffer.concat([frame(0x01, ''), ...Array(100).fill(frame(0x00, ''))]), 1008],
    ['of bytes, empty', frame(0x82, ''), 1002],
    ['of bytes, cut short', frame(0x82, '\x00\x05\x05\x05\x05x'), 1002],
    ['of bytes, of an unknown kind', frame(0x82, '\x07\x01\x01\x01\x01abcd'), 1002],
    ['of no JSON', frame(0x81, 'nonsense'), 1007],
    ['of nothing', frame(0x81, ''), 1007],
    ['with a byte order mark', frame(0x81, '\xef\xbb\xbf["1","1","phoenix","heartbeat",{}]'), 1007],
    ['of null', frame(0x81, 'null'), 1007],
    [
      'of the other version',
      frame(0x81, '{"topic":"phoenix","event":"heartbeat","payload":{},"ref":1}'),
      1007,
    ],
    ['of four elements', frame(0x81, '["1","1","phoenix","heartbeat"]'), 1007],
    ['of 60,000 brackets', largeFrame(0x81, 60_000, '['), 1007],
  ])('%s is fatal to its socket alone', async (_name, bytes, code) => {
    const socket = await RawSocket.open(server.socketUrl(mallory));
    socket.writeBytes(bytes);
    expect((await socket.closed).code).toBe(code);
  });

  const nested = (depth: number) => JSON.parse('['.repeat(depth) + ']'.repeat(depth));
  const send = (content: unknown, more: object = {}) => ({ content: { content }, ...more });
  const invalid = 'invalid_request';
  const unmatched = 'unmatched topic';

  test.each<[string, string, unknown, string]>([
    ['an unknown event', 'explode', {}, 'unknown_event'],
    ['an event of the prototype', '__proto__', {}, 'unknown_event'],
    ['an event of ours', 'phx_reply', {}, 'unknown_event'],
    ['a payload that is null', 'send', null, invalid],
    ['a payload that is a list', 'send', [], invalid],
    ['a send of nothing', 'send', {}, invalid],
    ['a send of a text', 'send', send('text'), invalid],
    ['a send of 33 levels', 'send', send({ a: nested(32) }), invalid],
    ['a send of 2,000 levels', 'send', send({ a: nested(2_000) }), invalid],
    ['a send of 1,001 items', 'send', send({ a: Array(1_001).fill(0) }), invalid],
    [
      'a send of 1,001 keys',
      'send',
      send(
        Object.fromEntries(
          Array(1_001)
            .fill(0)
            .map((_, n) => [n, 0]),
        ),
      ),
      invalid,
    ],
    ['a send of a key of 257 characters', 'send', send({ ['k'.repeat(257)]: 1 }), invalid],
    ['a send of NUL', 'send', send({ text: 'a\0b' }), invalid],
    ['a send of half a character', 'send', send({ text: '\ud83d' }), invalid],
    ['a send of 2^53', 'send', send({ n: 2 ** 53 }), invalid],
    ['a send of 40 KiB', 'send', send({ text: 'x'.repeat(40 << 10) }), invalid],
    ['a send of a __proto__', 'send', JSON.parse('{"content":{"content":{"__proto__":{"x":1}}}}'), invalid],
    ['a send as somebody else', 'send', send({}, { sender_id: 'user:alice' }), 'forbidden'],
    ['a send of kind system', 'send', { content: { kind: 'system', content: {} } }, 'forbidden'],
    ['a send of another kind', 'send', { content: { kind: 'constructor', content: {} } }, invalid],
    ['a client_id of 129 characters', 'send', send({}, { client_id: 'x'.repeat(129) }), invalid],
    ['a client_id that is an object', 'send', send({}, { client_id: {} }), invalid],
    ['a history of 201', 'history', { limit: 201 }, invalid],
    ['a history of a half', 'history', { limit: 0.5 }, invalid],
    ['a history before 1e308', 'history', { before_seq: 1e308 }, invalid],
    ['a read of 2^53', 'read', { seq: 2 ** 53 }, invalid],
    ['a read of SQL', 'read', { message_id: "' or 1=1; drop table chat_messages; --" }, invalid],
    ['a read for somebody else', 'read', { participant_id: 'user:alice' }, 'forbidden'],
    ['a join from −1', 'phx_join', { last_seq: -1 }, invalid],
    ['a join from a text', 'phx_join', { last_seq: '1' }, invalid],
  ])('%s is refused, and its socket goes on', async (_name, event, payload, reason) => {
    await using client = await SessionClient.open(server.socketUrl(mallory), sessionId);
    if (event !== 'phx_join') expect((await client.join({ limit: 1 })).status).toBe('ok');
    expect(await client.push(event, payload)).toMatchObject({ status: 'error', response: { reason } });
    expect((await client.push('history', { limit: 1 })).status).toBe(event === 'phx_join' ? 'error' : 'ok');
  });

  test.each<[string, unknown, string]>([
    ['a topic of nothing', '', unmatched],
    ['a topic of the prototype', '__proto__', unmatched],
    ['a topic of 60 KB', `room:${'x'.repeat(60_000)}`, unmatched],
    ['a topic that is a number', 7, unmatched],
    ['a topic that is a list', ['session:1'], unmatched],
    ['a session that climbs', 'session:../../etc/passwd', 'session_not_found'],
    ['a session of SQL', "session:' or '1'='1", 'session_not_found'],
    ['a session in small letters', 'session:01arz3ndektsv4rrffq69g5fav', 'session_not_found'],
    ['an inbox of somebody else', 'inbox:user:alice', 'participant_not_found'],
    ['an inbox of NUL', 'inbox:\0', 'participant_not_found'],
  ])('a join of %s is refused, and its socket goes on', async (_name, topic, reason) => {
    await using socket = await RawSocket.open(server.socketUrl(mallory));
    socket.send(['1', '1', topic, 'phx_join', {}]);
    expect((await socket.next())[4]).toMatchObject({ status: 'error', response: { reason } });
    expect(await socket.settle()).toEqual([]);
  });
});

describe('a body', () => {
  test.each<[string, string, string, number, string]>([
    ['no JSON', 'POST messages', '{"content":', 400, 'invalid_json'],
    ['no UTF-8', 'POST messages', '{"content":{"a":"\xff"}}', 400, 'invalid_json'],
    ['a number', 'POST messages', '7', 422, 'invalid_request'],
    ['a batch (S32)', 'POST messages', '[{"content":{}},{"content":{}}]', 422, 'invalid_request'],
    ['200,000 brackets', 'POST messages', '['.repeat(200_000), 422, 'invalid_request'],
    ['no content', 'POST messages', '{"__proto__":{"content":{}}}', 422, 'invalid_request'],
    ['a key of the prototype', 'POST messages', '{"content":{"__proto__":1}}', 422, 'invalid_request'],
    ['1e400', 'POST messages', '{"content":{"n":1e400}}', 422, 'invalid_request'],
    ['300 KiB', 'POST messages', `{"content":{"a":"${'x'.repeat(300 << 10)}"}}`, 413, 'payload_too_large'],
    ['a sender that it is not', 'POST messages', '{"content":{},"sender_id":"user:bob"}', 403, 'forbidden'],
    ['100,000 members', 'POST /api/sessions', manyMembers('1'), 422, 'invalid_request'],
    ['20,000 members with names', 'POST /api/sessions', manyMembers('"user:x"'), 422, 'invalid_request'],
    ['a status that is none', `PATCH session`, '{"status":"toString"}', 422, 'invalid_request'],
    [
      'metadata of 40 KiB',
      'PUT self',
      `{"metadata":{"a":"${'x'.repeat(40 << 10)}"}}`,
      422,
      'invalid_request',
    ],
    ['a name of 257 characters', 'PUT self', `{"display_name":"${'x'.repeat(257)}"}`, 422, 'invalid_request'],
    ['another kind of participant', 'PUT self', '{"kind":"agent"}', 403, 'forbidden'],
  ])('of %s is refused', async (_name, call, text, status, code) => {
    const [method, target] = call.split(' ') as [string, string];
    const paths: Readonly<Record<string, string>> = {
      messages: `/api/sessions/${sessionId}/messages`,
      session: `/api/sessions/${sessionId}`,
      self: `/api/participants/${mallory}`,
    };
    const response = await fetch(server.url + (paths[target] ?? target), {
      method,
      headers: { 'content-type': 'application/json', 'x-participant-id': mallory },
      body: Buffer.from(text, 'latin1'),
    });
    const reply = await response.text();
    expect([response.status, JSON.parse(reply).code]).toEqual([status, code]);
    // An error must not be dearer than what caused it.
    expect(reply.length).toBeLessThan(2_000);
  });

  test('ids are parameters, whatever they hold (S29)', async () => {
    const id = `user:'; drop table chat_messages; --" \\ $1 %s`;
    await addParticipants(server, id);
    const group = await addGroup(server, id, mallory);
    const { body } = await callApi(server.url, 'GET', `/api/sessions/${group}`, { as: id });
    expect(body.session.initiator_id).toBe(id);
  });

  function manyMembers(id: string): string {
    const ids = Array(Math.floor(200_000 / (id.length + 1))).fill(id);
    return `{"kind":"group","initiator_id":"${mallory}","member_ids":[${ids}]}`;
  }
});

test('S12: messages that come too fast are answered with rate_limited, each by its ref', async () => {
  await using limited = await startTestServer({ env: { FLEETLM_RATE_MESSAGES: '1' } });
  await addParticipants(limited, 'user:alice', mallory);
  const group = await addGroup(limited, mallory, 'user:alice');
  await using client = await SessionClient.open(limited.socketUrl(mallory), group);
  await client.join();
  const payload = { content: { content: {} } };
  const refs = Array.from({ length: 20 }, () => client.write('send', payload));
  const refused = [];
  for (const ref of refs) {
    const { status, response } = await client.answerTo(ref);
    if (status === 'error') refused.push(response);
  }
  // Four at once; a slow machine may have earned some more.
  expect(refused.length).toBeGreaterThan(10);
  expect(new Set(refused.map(({ reason }) => reason))).toEqual(new Set(['rate_limited']));
  expect((await client.push('history')).response.messages).toHaveLength(20 - refused.length);
});

describe('what takes long to read', () => {
  const size = 256 << 10;
  const bombs: readonly (readonly [string, string])[] = [
    ['brackets', '['.repeat(size / 2) + ']'.repeat(size / 2)],
    ['empty objects', `[${'{},'.repeat(size / 3 - 2)}1]`],
    ['objects of many shapes', `[${numbered(size, (n) => `{"${n.toString(36)}":1},`)}1]`],
    ['one object of many keys', `{${numbered(size, (n) => `"k${n.toString(36)}":1,`)}"z":1}`],
    ['numbers', `[${'1e9,'.repeat(size / 4 - 2)}1]`],
  ];

  test.each(bombs)('I34: %s stall the event loop for less than 100 ms', (name, text) => {
    // Of this thread alone: others use the machine too.
    const mean = (what: string) => {
      const started = process.threadCpuUsage();
      for (let run = 0; run < 5; run += 1) serializerV2.decode(what);
      return process.threadCpuUsage(started).user / 5_000;
    };
    const [bodyMs, frameMs] = [mean(text), mean(text.slice(0, 64 << 10))];
    process.stdout.write(
      `${name}: a body of 256 KiB ${bodyMs.toFixed(1)} ms, a frame of 64 KiB ${frameMs.toFixed(1)} ms\n`,
    );
    expect(Math.max(bodyMs, frameMs)).toBeLessThan(100);
  });

  test('while it is read, others are served', async () => {
    let isOver = false;
    const attack = Promise.all(
      Array.from({ length: 20 }, async () => {
        for (const [, text] of bombs) {
          const body = `{"content":${text.slice(0, size - 20)}}`;
          const headers = { 'content-type': 'application/json', 'x-participant-id': mallory };
          const answer = await fetch(`${server.url}/api/sessions/${sessionId}/messages`, {
            method: 'POST',
            headers,
            body,
          });
          expect([400, 422]).toContain(answer.status);
          await answer.arrayBuffer();
        }
      }),
    ).finally(() => {
      isOver = true;
    });
    let answered = 0;
    for (; !isOver; answered += 1) await control.socket.settle();
    await attack;
    expect(answered).toBeGreaterThan(3);
  });

  function numbered(bytes: number, make: (n: number) => string): string {
    let text = '';
    for (let n = 0; text.length < bytes - 40; n += 1) text += make(n);
    return text;
  }
});

/** A client's frame of up to 125 latin1 characters, with mask 0. */
function frame(firstByte: number, text: string): Buffer {
  return Buffer.concat([
    Buffer.from([firstByte, 0x80 | text.length, 0, 0, 0, 0]),
    Buffer.from(text, 'latin1'),
  ]);
}

/** One of up to 64 KiB. */
function largeFrame(firstByte: number, size: number, fill = 'x'): Buffer {
  const header = Buffer.from([firstByte, 0xfe, size >> 8, size & 0xff, 0, 0, 0, 0]);
  return Buffer.concat([header, Buffer.alloc(size, fill)]);
}
