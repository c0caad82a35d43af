import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { ParticipantId } from '@fleetlm/protocol';
import { waitUntil } from '@fleetlm/testkit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Principal, service } from '../../src/auth/principal.ts';
import type { EventStreamLimits } from '../../src/http/event-stream.ts';
import { StreamExchanges } from '../../src/http/stream-exchanges.ts';

const limits: EventStreamLimits = { maxQueuedBytes: 64 << 10, stallMs: 10_000, quietMs: 10_000 };
const alice: Principal = { kind: 'participant', participantId: 'user:alice' as ParticipantId };

let server: Server;
let answer: (response: ServerResponse) => void;

beforeEach(async () => {
  server = createServer((_request, response) => answer(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** A reader of a stream that has begun, and what it has got. */
async function read(changed: Partial<EventStreamLimits> = {}, principal: Principal = alice) {
  const exchanges = new StreamExchanges({ limits: { ...limits, ...changed }, sweepMs: 10 });
  const opened = Promise.withResolvers<ReturnType<StreamExchanges['addReader']>>();
  answer = (response) => {
    const stream = exchanges.addReader(response, principal);
    stream.begun([{ type: 'start' }]);
    opened.resolve(stream);
  };
  const socket: Socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const reader = { socket, text: '', isClosed: false };
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    reader.text += text;
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    reader.isClosed = true;
  });
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  return { exchanges, stream: await opened.promise, reader };
}

test('shows chunks as they come, and ends with [DONE]', async () => {
  const { stream, reader } = await read();
  await waitUntil(() => reader.text.includes('data: {"type":"start"}\n\n'));
  stream.pushed({ index: 1, chunk: { type: 'finish' } }, '{"type":"finish"}');
  await waitUntil(() => reader.text.includes('data: {"type":"finish"}\n\n'));
  expect(reader.text).not.toContain('[DONE]');
  stream.closed();
  await waitUntil(() => /data: \[DONE\]\n\n\r\n0\r\n\r\n$/.test(reader.text));
  expect(reader.isClosed).toBe(false);
  reader.socket.destroy();
});

test('a reader that takes nothing is cut when too much waits for it', async () => {
  const { stream, reader } = await read();
  reader.socket.pause();
  const json = JSON.stringify({ type: 'data-x', data: 'x'.repeat(32 << 10) });
  await waitUntil(() => {
    stream.pushed({ index: 1, chunk: { type: 'data-x' } }, json);
    return !stream.isOpen;
  });
});

test('a reader that takes nothing for too long is cut, however little waits', async () => {
  const { stream, reader } = await read({ maxQueuedBytes: 64 << 20, stallMs: 100 });
  reader.socket.pause();
  // More than the kernel takes for it.
  const json = JSON.stringify({ type: 'data-x', data: 'x'.repeat(16 << 20) });
  stream.pushed({ index: 1, chunk: { type: 'data-x' } }, json);
  expect(stream.isOpen).toBe(true);
  await waitUntil(() => !stream.isOpen);
});

test('a reader that takes nothing is cut, though the stream has ended meanwhile', async () => {
  const { stream, reader } = await read({ maxQueuedBytes: 64 << 20, stallMs: 200 });
  reader.socket.pause();
  // More than the kernel takes for it.
  const json = JSON.stringify({ type: 'data-x', data: 'x'.repeat(64 << 10) });
  for (let index = 1; index <= 256; index += 1) stream.pushed({ index, chunk: { type: 'data-x' } }, json);
  let hasLeft = false;
  stream.onEnd(() => {
    hasLeft = true;
  });
  stream.closed();
  await waitUntil(() => hasLeft);
});

test('one that takes its time gets all of it', async () => {
  const { stream, reader } = await read({ maxQueuedBytes: 64 << 20, stallMs: 300 });
  reader.socket.pause();
  const json = JSON.stringify({ type: 'data-x', data: 'x'.repeat(64 << 10) });
  for (let index = 1; index <= 256; index += 1) stream.pushed({ index, chunk: { type: 'data-x' } }, json);
  stream.closed();
  const slowly = setInterval(() => {
    reader.socket.resume();
    setTimeout(() => reader.socket.pause(), 10);
  }, 50);
  await waitUntil(() => /data: \[DONE\]\n\n\r\n0\r\n\r\n$/.test(reader.text));
  clearInterval(slowly);
  reader.socket.destroy();
});

test('a reader of a silent stream gets comments, and is not cut', async () => {
  const { stream, reader } = await read({ quietMs: 20, stallMs: 50 });
  await waitUntil(() => reader.text.split(':\n\n').length > 4);
  expect(stream.isOpen).toBe(true);
  reader.socket.destroy();
});

test('the end of a token is the end of the reading', async () => {
  const { reader } = await read({}, { ...alice, expiresAtMs: Date.now() + 50 });
  await waitUntil(() => reader.isClosed);
  expect(reader.text).not.toContain('[DONE]');
});

test('those of a participant can be cut, and all; nothing is left then', async () => {
  const { exchanges, reader } = await read();
  expect([...exchanges.participantIds]).toEqual(['user:alice']);
  exchanges.disabled('user:bob' as ParticipantId);
  exchanges.disabled('user:alice' as ParticipantId);
  await waitUntil(() => reader.isClosed);
  await waitUntil(() => exchanges.participantIds.size === 0);
  const other = await read({}, service);
  expect(other.exchanges.participantIds.size).toBe(0);
  other.exchanges.cutAll();
  await waitUntil(() => other.reader.isClosed);
});

test('whoever left while it was looked up is told at once that it has ended', async () => {
  const { stream, reader } = await read();
  reader.socket.destroy();
  await waitUntil(() => !stream.isOpen);
  let left = 0;
  stream.onEnd(() => {
    left += 1;
  });
  await waitUntil(() => left === 1);
  stream.pushed({ index: 1, chunk: { type: 'finish' } }, '{}');
  stream.closed();
  expect(left).toBe(1);
});
