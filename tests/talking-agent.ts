/**
 * An agent in a process of its own, which talks until it is killed: `/chunked`, `/sized`, `/ndjson`, `/text` in a body
 * that HTTP delimits, `/http-1.0` and `/ndjson-1.0` in one that ends with its connection.
 */
import { createServer, type Socket } from 'node:net';

const types: Readonly<Record<string, string>> = {
  '/ndjson': 'application/x-ndjson',
  '/ndjson-1.0': 'application/x-ndjson',
  '/text': 'text/plain',
};
const wordMs = 10;

const server = createServer((socket) => {
  let request = '';
  socket.on('error', () => {});
  socket.on('data', (bytes: Buffer) => {
    const isFirst = request === '';
    request += bytes.toString('latin1');
    if (isFirst) talk(socket, request.split(' ')[1]!);
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object') process.stdout.write(`talks on http://127.0.0.1:${address?.port}\n`);
});

function talk(socket: Socket, path: string): void {
  const type = types[path] ?? 'text/event-stream';
  const { head, frame } = framings[path] ?? framings['/chunked']!;
  socket.write(`${head}content-type: ${type}\r\n\r\n`);
  const send = (text: string) => socket.write(frame(text));
  if (type !== 'text/plain') {
    send(encode(type, { type: 'start' }));
    send(encode(type, { type: 'text-start', id: '1' }));
  }
  let count = 0;
  const timer = setInterval(() => {
    count += 1;
    const delta = `${count} `;
    send(type === 'text/plain' ? delta : encode(type, { type: 'text-delta', id: '1', delta }));
  }, wordMs);
  socket.on('close', () => clearInterval(timer));
}

function encode(type: string, chunk: object): string {
  const json = JSON.stringify(chunk);
  return type === 'text/event-stream' ? `data: ${json}\n\n` : `${json}\n`;
}

interface Framing {
  readonly head: string;
  readonly frame: (text: string) => string;
}

const whole = (text: string) => text;
const closed: Framing = { head: 'HTTP/1.0 200 OK\r\n', frame: whole };
const framings: Readonly<Record<string, Framing>> = {
  '/chunked': {
    head: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n',
    frame: (text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`,
  },
  '/sized': { head: 'HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n', frame: whole },
  '/http-1.0': closed,
  '/ndjson-1.0': closed,
};
