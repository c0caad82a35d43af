import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { waitUntil } from '@fleetlm/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { WireSocket } from '../src/load/wire-socket.ts';

let http: Server;
let url: string;
const accepted: WebSocket[] = [];

beforeAll(async () => {
  http = createServer();
  const sockets = new WebSocketServer({ server: http, path: '/chat' });
  sockets.on('connection', (socket) => {
    accepted.push(socket);
    socket.on('message', (data) => socket.send(data, { binary: false }));
    // A client may hear of it in the packet that answers its handshake.
    socket.send('welcome');
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/chat`;
});

afterAll(() => http.close());

async function connect() {
  const texts: string[] = [];
  let isClosed = false;
  const socket = await WireSocket.open(url);
  socket.listen({
    onText: (bytes) => texts.push(bytes.toString()),
    onClosed: () => {
      isClosed = true;
    },
  });
  await waitUntil(() => texts.length === 1);
  return { socket, texts, peer: accepted.at(-1)!, isClosed: () => isClosed };
}

test('a server understands what it sends, whatever the length', async () => {
  const { socket, texts } = await connect();
  const sent = ['', 'ü', ...[125, 126, 127, 65_535].map((length) => 'x'.repeat(length))];
  for (const text of sent) socket.send(text);
  await waitUntil(() => texts.length === 1 + sent.length);
  expect(texts).toEqual(['welcome', ...sent]);
  socket.close();
});

test('it answers a ping with the same bytes', async () => {
  const { socket, peer } = await connect();
  const pong = new Promise<Buffer>((resolve) => peer.once('pong', resolve));
  peer.ping('are you there?');
  expect((await pong).toString()).toBe('are you there?');
  socket.close();
});

test('it is closed when the server closes it, and then sends nothing', async () => {
  const { socket, peer, isClosed } = await connect();
  peer.close(1001);
  await waitUntil(isClosed);
  expect(socket.isOpen).toBe(false);
  socket.send('too late');
});

test('it says why a handshake was refused', async () => {
  await expect(WireSocket.open(url.replace('/chat', '/nowhere'))).rejects.toThrow('with 400');
});
