import { createServer } from 'node:http';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import { listen } from './listen.ts';

// A bare `ws` server with the broadcast of its guide: what comes from one socket is sent to all, one send for each.

const server = createServer();
const sockets = new WebSocketServer({ server });

sockets.on('connection', (socket) => {
  socket.on('error', terminate);
  socket.on('message', broadcast);
});

await listen(server);

function broadcast(text: RawData): void {
  for (const client of sockets.clients) {
    if (client.readyState === WebSocket.OPEN) client.send(text, { binary: false });
  }
}

function terminate(this: WebSocket): void {
  this.terminate();
}
