import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { RawHttpServer, waitUntil } from '@fleetlm/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { readAnswer } from '../../../src/agents/answer/read-answer.ts';
import type { FailureReason } from '../../../src/agents/call-failure.ts';
import type { CallLimits } from '../../../src/agents/webhook/webhook-client.ts';
import { callOf, failureOf, localClient, patient, readToEnd } from './call-fixture.ts';

/** I27, S23: what an agent can do to a call, and how that ends. */

const client = localClient();
// One limit each, so that a busy machine cannot run into another. The first also bounds the connect.
const shortFirst: CallLimits = { ...patient, firstChunkMs: 250 };
const shortIdle: CallLimits = { ...patient, idleMs: 100 };
const shortWhole: CallLimits = { ...patient, maxDurationMs: 300 };

let agent: RawHttpServer;

beforeAll(async () => {
  agent = await RawHttpServer.start();
});
afterEach(async () => {
  await waitUntil(() => agent.openConnections === 0, { what: 'the connection is closed' });
  agent.greet = () => {};
});
afterAll(() => agent[Symbol.asyncDispose]());

function head(type = 'text/event-stream', ...headers: readonly string[]): string {
  return ['HTTP/1.1 200 OK', `content-type: ${type}`, ...headers, '', ''].join('\r\n');
}

/** Again and again, as fast as it is taken. */
function forever(socket: Socket, piece: string | Buffer): void {
  const send = () => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on('drain', send);
  send();
}

function everyMs(socket: Socket, ms: number, send: () => void): void {
  const timer = setInterval(send, ms);
  socket.on('close', () => clearInterval(timer));
}

const text = 'data: {"type":"text-delta","id":"1","delta":"x"}\n\n';
const kib64 = Buffer.alloc(64 << 10, 'x');

interface Mode {
  readonly name: string;
  readonly answer: (socket: Socket) => void;
  readonly reason: FailureReason | null;
  readonly retryable?: boolean;
  readonly limits?: CallLimits;
}

const modes: readonly Mode[] = [
  {
    name: 'no reply',
    answer: () => {},
    reason: 'first_chunk_timeout',
    retryable: true,
    limits: shortFirst,
  },
  {
    name: 'headers, then nothing',
    answer: (socket) => socket.write(head()),
    reason: 'first_chunk_timeout',
    retryable: true,
    limits: shortFirst,
  },
  {
    name: 'a chunk, then nothing',
    answer: (socket) => socket.write(head() + text),
    reason: 'idle_timeout',
    retryable: true,
    limits: shortIdle,
  },
  {
    name: 'one byte at a time, for ever',
    answer: (socket) => {
      socket.write(head());
      everyMs(socket, 20, () => socket.write(':'));
    },
    reason: 'duration_exceeded',
    limits: shortWhole,
  },
  {
    name: 'one byte of the headers at a time',
    answer: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nx: ');
      everyMs(socket, 20, () => socket.write('y'));
    },
    reason: 'first_chunk_timeout',
    retryable: true,
    limits: shortFirst,
  },
  {
    name: 'an endless body',
    answer: (socket) => {
      socket.write(head());
      forever(socket, text.repeat(50).replaceAll('x', 'x'.repeat(1_000)));
    },
    reason: 'answer_too_large',
  },
  {
    name: 'a gzip bomb',
    answer: (socket) =>
      socket.end(Buffer.concat([Buffer.from(head('text/plain', 'content-encoding: gzip')), bomb])),
    reason: 'encoded',
  },
  ...[301, 302, 303, 304, 307, 308].map((status) => ({
    name: `a redirect ${status}`,
    answer: (socket: Socket) =>
      void socket.end(
        `HTTP/1.1 ${status} Moved\r\nlocation: ${agent.url('/elsewhere')}\r\ncontent-length: 0\r\n\r\n`,
      ),
    reason: 'redirected' as const,
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
      socket.write(head('text/event-stream', 'content-length: 99'), () => socket.resetAndDestroy()),
    reason: 'connection_lost',
    retryable: true,
  },
  {
    name: 'endless 1xx',
    answer: (socket) => forever(socket, 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'.repeat(100)),
    reason: 'invalid_http',
    retryable: true,
  },
  {
    name: '1xx, slowly, for ever',
    answer: (socket) => everyMs(socket, 20, () => socket.write('HTTP/1.1 102 Processing\r\n\r\n')),
    reason: 'first_chunk_timeout',
    retryable: true,
    limits: shortFirst,
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
      forever(socket, 'x: y\r\n'.repeat(1_000));
    },
    reason: 'headers_too_large',
  },
  {
    name: 'endless trailers',
    answer: (socket) => {
      socket.write(`${head('text/plain', 'transfer-encoding: chunked')}1\r\nx\r\n0\r\n`);
      forever(socket, 'x: y\r\n'.repeat(1_000));
    },
    reason: 'headers_too_large',
  },
  {
    name: 'an endless chunk extension',
    answer: (socket) => {
      socket.write(`${head('text/plain', 'transfer-encoding: chunked')}1;x=`);
      forever(socket, kib64);
    },
    reason: 'invalid_http',
    retryable: true,
  },
  {
    name: 'a content-length that is too long',
    answer: (socket) => socket.end(`${head('text/plain', 'content-length: 99')}short`),
    reason: 'connection_lost',
    retryable: true,
  },
  {
    name: 'a content-length that is too short: the rest is not read',
    answer: (socket) => socket.end(`${head('text/plain', 'content-length: 5')}short, but longer`),
    reason: null,
  },
  {
    name: 'two content-lengths',
    answer: (socket) => socket.end(`${head('text/plain', 'content-length: 5', 'content-length: 6')}short!`),
    reason: 'invalid_http',
    retryable: true,
  },
  {
    name: 'broken chunked encoding',
    answer: (socket) => socket.end(`${head('text/plain', 'transfer-encoding: chunked')}zz\r\nhello\r\n`),
    reason: 'invalid_http',
    retryable: true,
  },
  {
    name: 'chunked encoding that is cut',
    answer: (socket) => socket.end(`${head('text/plain', 'transfer-encoding: chunked')}5\r\nhel`),
    reason: 'connection_lost',
    retryable: true,
  },
  {
    name: 'an endless line of events',
    answer: (socket) => {
      socket.write(`${head()}data: `);
      forever(socket, kib64);
    },
    reason: 'line_too_large',
  },
  {
    name: 'an endless line of JSON',
    answer: (socket) => {
      socket.write(`${head('application/x-ndjson')}{"type":"`);
      forever(socket, kib64);
    },
    reason: 'line_too_large',
  },
  {
    name: 'an endless document',
    answer: (socket) => {
      socket.write(`${head('application/json')}{"text":"`);
      forever(socket, kib64);
    },
    reason: 'answer_too_large',
  },
  {
    name: '20,001 chunks',
    answer: (socket) => socket.end(head() + 'data: {"type":"x"}\n\n'.repeat(20_001)),
    reason: 'too_many_chunks',
  },
  {
    name: '20,000 chunks',
    answer: (socket) =>
      socket.end(`${head()}${'data: {"type":"x"}\n\n'.repeat(19_999)}data: {"type":"finish"}\n\n`),
    reason: null,
  },
  {
    name: 'a page of HTML as an event stream',
    answer: (socket) => socket.end(`${head()}<html>\n\n<body>data: hello</body>\n\n`),
    reason: 'invalid_answer',
  },
  {
    name: 'a page of HTML',
    answer: (socket) => socket.end(`${head('text/html')}<html></html>`),
    reason: 'unknown_content_type',
  },
  {
    name: 'deep JSON',
    answer: (socket) => socket.end(head('application/json') + '['.repeat(1_000_000)),
    reason: 'invalid_answer',
  },
  {
    name: 'invalid UTF-8',
    answer: (socket) =>
      socket.end(Buffer.concat([Buffer.from(head('text/plain')), Buffer.alloc(1_000, 0xff)])),
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
      forever(socket, kib64);
    },
    reason: null,
  },
  {
    name: 'an error with an endless body',
    answer: (socket) => {
      socket.write('HTTP/1.1 500 No\r\n\r\n');
      forever(socket, kib64);
    },
    reason: 'server_error',
    retryable: true,
  },
  {
    name: 'a connection that is closed at once',
    answer: () => {},
    reason: 'connection_lost',
    retryable: true,
  },
];

const bomb = gzipSync(Buffer.alloc(16 << 20));

describe('each ends as documented, in time, and its connection is closed', () => {
  test.each(modes)(
    '$name: $reason',
    async ({ name, answer, reason, retryable = false, limits = patient }) => {
      agent.answer = answer;
      if (name === 'a connection that is closed at once') agent.greet = (socket) => void socket.end();
      const [connections, requests] = [agent.connections, agent.requests.length];
      const beganMs = performance.now();
      const failure = await failureOf(await client.call(callOf(agent.url(), { limits })));
      const tookMs = performance.now() - beganMs;
      expect(failure?.reason ?? null, failure?.detail).toBe(reason);
      expect(failure?.retryable ?? false).toBe(retryable);
      // Short limits are 300 ms at most; the others end by what came, not by their 10 s.
      expect(tookMs).toBeLessThan(5_000);
      // Not repeated, nor followed elsewhere.
      expect(agent.connections - connections).toBe(1);
      expect(agent.requests.length - requests).toBeLessThanOrEqual(1);
    },
  );

  test.each([
    ['429 with seconds', '429 Slow', 'retry-after: 7', 'rate_limited', 7_000],
    ['503 with seconds', '503 Down', 'retry-after: 120', 'server_error', 120_000],
    [
      '503 with a date long past',
      '503 Down',
      'retry-after: Sun, 06 Nov 1994 08:49:37 GMT',
      'server_error',
      0,
    ],
    ['503 with an hour at most', '503 Down', 'retry-after: 99999', 'server_error', 3_600_000],
    ['429 with nonsense', '429 Slow', 'retry-after: soon', 'rate_limited', undefined],
    ['408 without', '408 Late', 'x: y', 'request_timeout', undefined],
  ])('%s', async (_name, status, header, reason, retryAfterMs) => {
    agent.answer = (socket) => socket.end(`HTTP/1.1 ${status}\r\n${header}\r\ncontent-length: 4\r\n\r\nwait`);
    const outcome = await client.call(callOf(agent.url()));
    expect(outcome).toMatchObject({ kind: 'failed', excerpt: 'wait', failure: { reason, retryable: true } });
    expect((await failureOf(outcome))?.retryAfterMs).toBe(retryAfterMs);
  });

  test('a refused connection', async () => {
    const gone = await RawHttpServer.start();
    const url = gone.url();
    await gone[Symbol.asyncDispose]();
    const outcome = await client.call(callOf(url));
    expect(outcome).toMatchObject({
      failure: { reason: 'connect_failed', detail: 'ECONNREFUSED', retryable: true },
    });
  });

  test('a TLS handshake that never comes', async () => {
    await using silent = await RawHttpServer.start();
    const url = silent.url().replace('http:', 'https:');
    expect(await failureOf(await client.call(callOf(url, { limits: shortFirst })))).toMatchObject({
      reason: 'connect_timeout',
      retryable: true,
    });
    await waitUntil(() => silent.openConnections === 0);
  });

  test("an error's text is kept as one printable line of 1 KiB, and not waited for", async () => {
    agent.answer = (socket) =>
      socket.write(`HTTP/1.1 400 Bad\r\n\r\nno\u001b[31m\r\n<b>${'x'.repeat(5_000)}`);
    const outcome = await client.call(callOf(agent.url()));
    expect(outcome).toMatchObject({ failure: { reason: 'refused', status: 400 } });
    const { excerpt } = outcome as { excerpt: string };
    expect(excerpt).toMatch(/^no \[31m <b>x+$/);
    expect(excerpt.length).toBeLessThanOrEqual(1_024);
  });
});

test('what came before the failure counts', async () => {
  agent.answer = (socket) => socket.write(head() + text.repeat(3), () => socket.resetAndDestroy());
  const outcome = await client.call(callOf(agent.url()));
  if (outcome.kind === 'failed') throw new Error('failed before its body');
  const { events, end } = await readToEnd(outcome);
  // A reset may take what has not been read with it.
  expect(events.length).toBeLessThanOrEqual(3);
  expect(end).toMatchObject({ failure: { reason: 'connection_lost' } });
});

describe('what is not read yet lies with the agent', () => {
  /**
   * What the kernel keeps of a connection on loopback, both ways, and what Node has read ahead. The process's own
   * memory would tell less: buffers that are garbage count in it until they are collected.
   */
  const maxUnreadBytes = 32 << 20;

  test('while 20 agents send for ever: every call ends at 1 MiB', async () => {
    const sockets: Socket[] = [];
    agent.answer = (socket) => {
      sockets.push(socket);
      socket.write(head('application/json'));
      forever(socket, kib64);
    };
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => client.call(callOf(agent.url()))));
    for (const failure of await Promise.all(outcomes.map(failureOf))) {
      expect(failure?.reason).toBe('answer_too_large');
    }
    await waitUntil(() => agent.openConnections === 0);
    for (const socket of sockets) expect(socket.bytesWritten).toBeLessThan((1 << 20) + maxUnreadBytes);
  });

  test('while a reader lets an agent wait that sends for ever', async () => {
    let sent = () => 0;
    agent.answer = (socket) => {
      sent = () => socket.bytesWritten;
      socket.write(head());
      forever(socket, kib64);
    };
    const outcome = await client.call(callOf(agent.url()));
    if (outcome.kind === 'failed') throw new Error('failed before its body');
    let read = 0;
    let mostUnread = 0;
    for await (const bytes of outcome.body) {
      read += bytes.length;
      mostUnread = Math.max(mostUnread, sent() - read);
      if (read > 128 << 20) break;
    }
    expect(mostUnread).toBeLessThan(maxUnreadBytes);
  });

  test('a reader that leaves stops the agent', async () => {
    agent.answer = (socket) => {
      socket.write(head());
      everyMs(socket, 5, () => socket.write(text));
    };
    const outcome = await client.call(callOf(agent.url()));
    if (outcome.kind === 'failed') throw new Error('failed before its body');
    for await (const event of readAnswer(outcome)) if (event.kind === 'chunk') break;
    await waitUntil(() => agent.openConnections === 0);
  });
});
