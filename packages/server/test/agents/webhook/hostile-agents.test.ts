import type { Socket } from 'node:net';
import {
  type HostileMode,
  hostileModes,
  httpHead,
  maxUnreadBytes,
  RawHttpServer,
  sendEveryMs,
  sendForever,
  sixtyFourKib,
  textDelta,
  waitUntil,
} from '@fleetlm/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { readAnswer } from '../../../src/agents/answer/read-answer.ts';
import type { CallLimits } from '../../../src/agents/webhook/webhook-client.ts';
import { callOf, failureOf, localClient, patient, readToEnd } from './call-fixture.ts';

/** I27, S23: what an agent can do to a call, and how that ends. */

const client = localClient();
// One limit each, so that a busy machine cannot run into another. The first also bounds the connect.
const shortFirst: CallLimits = { ...patient, firstChunkMs: 250 };
const limitsBy: Readonly<Record<NonNullable<HostileMode['limit']>, CallLimits>> = {
  first_chunk: shortFirst,
  idle: { ...patient, idleMs: 100 },
  whole: { ...patient, maxDurationMs: 300 },
};

let agent: RawHttpServer;

beforeAll(async () => {
  agent = await RawHttpServer.start();
});
afterEach(async () => {
  await waitUntil(() => agent.openConnections === 0, { what: 'the connection is closed' });
  agent.greet = () => {};
});
afterAll(() => agent[Symbol.asyncDispose]());

describe('each ends as documented, in time, and its connection is closed', () => {
  test.each(hostileModes)(
    '$name: $reason',
    async ({ greet = () => {}, answer, reason, retryable = false, limit }) => {
      agent.answer = (socket) => answer(socket, agent);
      agent.greet = greet;
      const limits = limit === undefined ? patient : limitsBy[limit];
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
  agent.answer = (socket) => socket.write(httpHead() + textDelta.repeat(3), () => socket.resetAndDestroy());
  const outcome = await client.call(callOf(agent.url()));
  if (outcome.kind === 'failed') throw new Error('failed before its body');
  const { events, end } = await readToEnd(outcome);
  // A reset may take what has not been read with it.
  expect(events.length).toBeLessThanOrEqual(3);
  expect(end).toMatchObject({ failure: { reason: 'connection_lost' } });
});

describe('what is not read yet lies with the agent', () => {
  test('while 20 agents send for ever: every call ends at 1 MiB', async () => {
    const sockets: Socket[] = [];
    agent.answer = (socket) => {
      sockets.push(socket);
      socket.write(httpHead('application/json'));
      sendForever(socket, sixtyFourKib);
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
      socket.write(httpHead());
      sendForever(socket, sixtyFourKib);
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
      socket.write(httpHead());
      sendEveryMs(socket, 5, () => socket.write(textDelta));
    };
    const outcome = await client.call(callOf(agent.url()));
    if (outcome.kind === 'failed') throw new Error('failed before its body');
    for await (const event of readAnswer(outcome)) if (event.kind === 'chunk') break;
    await waitUntil(() => agent.openConnections === 0);
  });
});
