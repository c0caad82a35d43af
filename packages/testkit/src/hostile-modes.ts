import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { RawHttpServer } from './raw-http-server.ts';

/** One way of an agent to do harm, and how it ends. */
export interface HostileMode {
  readonly name: string;
  /** As soon as somebody has connected. */
  readonly greet?: (socket: Socket) => void;
  readonly answer: (socket: Socket, agent: RawHttpServer) => void;
  /** Why the call fails; null: it does not. */
  readonly reason: string | null;
  readonly retryable?: boolean;
  /** Something of the answer comes before it fails. */
  readonly begins?: boolean;
  /** The time-out that ends it; others end by what comes. */
  readonly limit?: 'first_chunk' | 'idle' | 'whole';
}

/**
 * What they send for ever is bounded by this: what the kernel keeps of a connection on loopback, both ways, and what
 * Node has read ahead. The process's own memory would tell less: buffers that are garbage count in it until they are
 * collected.
 */
export const maxUnreadBytes = 32 << 20;

/** The head of an answer, up to its body. */
export function httpHead(type = 'text/event-stream', ...headers: readonly string[]): string {
  return ['HTTP/1.1 200 OK', `content-type: ${type}`, ...headers, '', ''].join('\r\n');
}

/** Again and again, as fast as it is taken. */
export function sendForever(socket: Socket, piece: string | Buffer): void {
  const send = () => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on('drain', send);
  send();
}

export function sendEveryMs(socket: Socket, ms: number, send: () => void): void {
  const timer = setInterval(send, ms);
  socket.on('close', () => clearInterval(timer));
}

/** One chunk, as an event. */
export const textDelta = 'data: {"type":"text-delta","id":"1","delta":"x"}\n\n';
export const sixtyFourKib = Buffer.alloc(64 << 10, 'x');

const bomb = gzipSync(Buffer.alloc(16 << 20));

export const hostileModes: readonly HostileMode[] = [
  {
    name: 'no reply',
    answer: () => {},
    reason: 'first_chunk_timeout',
    retryable: true,
    limit: 'first_chunk',
  },
  {
    name: 'headers, then nothing',
    answer: (socket) => socket.write(httpHead()),
    reason: 'first_chunk_timeout',
    retryable: true,
    limit: 'first_chunk',
  },
  {
    name: 'a chunk, then nothing',
    answer: (socket) => socket.write(httpHead() + textDelta),
    reason: 'idle_timeout',
    begins: true,
    retryable: true,
    limit: 'idle',
  },
  {
    name: 'one byte at a time, for ever',
    answer: (socket) => {
      socket.write(httpHead());
      sendEveryMs(socket, 20, () => socket.write(':'));
    },
    reason: 'duration_exceeded',
    limit: 'whole',
  },
  {
    name: 'one byte of the headers at a time',
    answer: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nx: ');
      sendEveryMs(socket, 20, () => socket.write('y'));
    },
    reason: 'first_chunk_timeout',
    retryable: true,
    limit: 'first_chunk',
  },
  {
    name: 'an endless body',
    answer: (socket) => {
      socket.write(httpHead());
      sendForever(socket, textDelta.repeat(50).replaceAll('x', 'x'.repeat(1_000)));
    },
    reason: 'answer_too_large',
  },
  {
    name: 'a gzip bomb',
    answer: (socket) =>
      socket.end(Buffer.concat([Buffer.from(httpHead('text/plain', 'content-encoding: gzip')), bomb])),
    reason: 'encoded',
  },
  ...[301, 302, 303, 304, 307, 308].map((status) => ({
    name: `a redirect ${status}`,
    answer: (socket: Socket, agent: RawHttpServer) =>
      void socket.end(
        `HTTP/1.1 ${status} Moved\r\nlocation: ${agent.url('/elsewhere')}\r\ncontent-length: 0\r\n\r\n`,
      ),
    reason: 'redirected',
  })),
  {
    name: 'garbage instead of HTTP',
    answer: (socket) => socket.end('SSH-2.0-OpenSSH_9.9\r\n'),
    reason: 'invalid_http',
    retryable: true,
  },
  {
    name: 'another protocol',
    answer: (socket) =>
      socket.write('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nbytes'),
    reason: 'invalid_http',
    retryable: true,
  },
  {
    name: 'a reset before the headers',
    answer: (socket) => socket.resetAndDestroy(),
    reason: 'connection_lost',
    retryable: true,
  },
  {
    name: 'an end before the headers',
    answer: (socket) => socket.end(),
    reason: 'connection_lost',
    retryable: true,
  },
  {
    name: 'a reset after the headers',
    answer: (socket) =>
      socket.write(httpHead('text/event-stream', 'content-length: 99'), () => socket.resetAndDestroy()),
    reason: 'connection_lost',
    retryable: true,
  },
  {
    name: 'endless 1xx',
    answer: (socket) => sendForever(socket, 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'.repeat(100)),
    reason: 'invalid_http',
    retryable: true,
  },
  {
    name: '1xx, slowly, for ever',
    answer: (socket) => sendEveryMs(socket, 20, () => socket.write('HTTP/1.1 102 Processing\r\n\r\n')),
    reason: 'first_chunk_timeout',
    retryable: true,
    limit: 'first_chunk',
  },
  {
    name: 'a header of 1 MB',
    answer: (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(1 << 20)}\r\n\r\n`),
    reason: 'headers_too_large',
  },
  {
    name: 'endless headers',
    answer: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      sendForever(socket, 'x: y\r\n'.repeat(1_000));
    },
    reason: 'headers_too_large',
  },
  {
    name: 'endless trailers',
    answer: (socket) => {
      socket.write(`${httpHead('text/plain', 'transfer-encoding: chunked')}1\r\nx\r\n0\r\n`);
      sendForever(socket, 'x: y\r\n'.repeat(1_000));
    },
    reason: 'headers_too_large',
  },
  {
    name: 'an endless chunk extension',
    answer: (socket) => {
      socket.write(`${httpHead('text/plain', 'transfer-encoding: chunked')}1;x=`);
      sendForever(socket, sixtyFourKib);
    },
    reason: 'invalid_http',
    retryable: true,
  },
  {
    name: 'a content-length that is too long',
    answer: (socket) => socket.end(`${httpHead('text/plain', 'content-length: 99')}short`),
    reason: 'connection_lost',
    begins: true,
    retryable: true,
  },
  {
    name: 'a content-length that is too short: the rest is not read',
    answer: (socket) => socket.end(`${httpHead('text/plain', 'content-length: 5')}short, but longer`),
    reason: null,
  },
  {
    name: 'two content-lengths',
    answer: (socket) =>
      socket.end(`${httpHead('text/plain', 'content-length: 5', 'content-length: 6')}short!`),
    reason: 'invalid_http',
    retryable: true,
  },
  {
    name: 'broken chunked encoding',
    answer: (socket) => socket.end(`${httpHead('text/plain', 'transfer-encoding: chunked')}zz\r\nhello\r\n`),
    reason: 'invalid_http',
    retryable: true,
  },
  {
    name: 'chunked encoding that is cut',
    answer: (socket) => socket.end(`${httpHead('text/plain', 'transfer-encoding: chunked')}5\r\nhel`),
    reason: 'connection_lost',
    begins: true,
    retryable: true,
  },
  {
    name: 'an endless line of events',
    answer: (socket) => {
      socket.write(`${httpHead()}data: `);
      sendForever(socket, sixtyFourKib);
    },
    reason: 'line_too_large',
  },
  {
    name: 'an endless line of JSON',
    answer: (socket) => {
      socket.write(`${httpHead('application/x-ndjson')}{"type":"`);
      sendForever(socket, sixtyFourKib);
    },
    reason: 'line_too_large',
  },
  {
    name: 'an endless document',
    answer: (socket) => {
      socket.write(`${httpHead('application/json')}{"text":"`);
      sendForever(socket, sixtyFourKib);
    },
    reason: 'answer_too_large',
  },
  {
    name: '20,001 chunks',
    answer: (socket) => socket.end(httpHead() + 'data: {"type":"x"}\n\n'.repeat(20_001)),
    reason: 'too_many_chunks',
  },
  {
    name: '20,000 chunks',
    answer: (socket) =>
      socket.end(`${httpHead()}${'data: {"type":"x"}\n\n'.repeat(19_999)}data: {"type":"finish"}\n\n`),
    reason: null,
  },
  {
    name: 'a page of HTML as an event stream',
    answer: (socket) => socket.end(`${httpHead()}<html>\n\n<body>data: hello</body>\n\n`),
    reason: 'invalid_answer',
  },
  {
    name: 'a page of HTML',
    answer: (socket) => socket.end(`${httpHead('text/html')}<html></html>`),
    reason: 'unknown_content_type',
  },
  {
    name: 'deep JSON',
    answer: (socket) => socket.end(httpHead('application/json') + '['.repeat(1_000_000)),
    reason: 'invalid_answer',
  },
  {
    name: 'invalid UTF-8',
    answer: (socket) =>
      socket.end(Buffer.concat([Buffer.from(httpHead('text/plain')), Buffer.alloc(1_000, 0xff)])),
    reason: null,
  },
  {
    name: '410',
    answer: (socket) => socket.end('HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n'),
    reason: 'gone',
  },
  {
    name: '204 with a body',
    answer: (socket) => socket.end('HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello'),
    reason: null,
  },
  {
    name: '202 with an endless body',
    answer: (socket) => {
      socket.write('HTTP/1.1 202 Accepted\r\n\r\n');
      sendForever(socket, sixtyFourKib);
    },
    reason: null,
  },
  {
    name: 'an error with an endless body',
    answer: (socket) => {
      socket.write('HTTP/1.1 500 No\r\n\r\n');
      sendForever(socket, sixtyFourKib);
    },
    reason: 'server_error',
    retryable: true,
  },
  {
    name: 'a connection that is closed at once',
    greet: (socket) => void socket.end(),
    answer: () => {},
    reason: 'connection_lost',
    retryable: true,
  },
];
