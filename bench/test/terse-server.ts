import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

/** What another server of the protocol may be like. */
export interface TerseServer extends AsyncDisposable {
  readonly url: string;
  /** Messages that were sent to it. */
  readonly messages: number;
  /** Calls that would have made a participant. */
  readonly participants: readonly string[];
}

/**
 * Speaks as much of the protocol as `append` needs, in another way than FleetLM: it stores nothing, makes no
 * participants, has too much to do for the first call, answers a session with the session itself, replies to no
 * `send`, and broadcasts each message twice.
 */
export async function startTerseServer(): Promise<TerseServer> {
  const participants: string[] = [];
  let sessions = 0;
  let messages = 0;
  let isBusy = true;
  const http = createServer((request, response) => {
    request.resume();
    if (isBusy) {
      isBusy = false;
      response.writeHead(503).end();
    } else if (request.method === 'POST' && request.url === '/api/sessions') {
      sessions += 1;
      response.writeHead(201, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ id: `session-${sessions}` }));
    } else {
      participants.push(`${request.method} ${request.url}`);
      response.writeHead(404).end();
    }
  });
  const sockets = new WebSocketServer({ server: http, path: '/socket/websocket' });
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => {
      const [joinRef, ref, topic, event, payload] = JSON.parse(data.toString());
      if (event === 'phx_join') {
        push(socket, [joinRef, ref, topic, 'phx_reply', { status: 'ok', response: {} }]);
      }
      if (event !== 'send') return;
      messages += 1;
      const message = { id: `message-${messages}`, ...payload.content };
      for (let time = 0; time < 2; time += 1) push(socket, [null, null, topic, 'message', message]);
    });
  });
  await once(http.listen(0, '127.0.0.1'), 'listening');
  const { port } = http.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    participants,
    get messages() {
      return messages;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate();
      http.close();
      http.closeAllConnections();
      await once(http, 'close');
    },
  };
}

function push(socket: WebSocket, frame: readonly unknown[]): void {
  socket.send(JSON.stringify(frame));
}
