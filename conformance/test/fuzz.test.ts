import { once } from 'node:events';
import { connect } from 'node:net';
import { errorTable, problemSchema } from '@fleetlm/protocol';
import {
  addGroup,
  addParticipants,
  HandshakeRefused,
  quietLog,
  RawSocket,
  SessionClient,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ControlConversation } from './fuzz/control-conversation.ts';
import { type Script, scriptArbitrary } from './fuzz/frame-arbitraries.ts';
import { FrameModel, meaningOf, toFrame } from './fuzz/frame-model.ts';
import { closeFuzzAgent, type RawAnswer, send } from './fuzz/fuzzed-request.ts';
import { toFrames } from './fuzz/masked-frames.ts';
import { requestArbitrary } from './fuzz/rest-arbitraries.ts';

/**
 * I34: nothing that one client says can crash the process, or touch another connection.
 *
 * The long form: FLEETLM_FUZZ_RUNS=20000 FLEETLM_FUZZ_SEED=7 npx vitest run conformance/test/fuzz
 */
const runs = Number(process.env['FLEETLM_FUZZ_RUNS'] ?? 200);
const seed = Number(process.env['FLEETLM_FUZZ_SEED'] ?? Math.floor(Math.random() * 1e9));
const timeoutMs = 20_000 + runs * 100;

const [fuzzer, other, watcher] = ['user:fuzzer', 'user:other', 'user:watcher'] as const;
/** What the server logs as its own failures: there must be none. */
const failures: unknown[] = [];
const log = {
  ...quietLog,
  error: (fields: object, message: string) => void failures.push({ message, fields }),
};

/** Runs that share a session: whoever joins it from the start is shown all that they have said. */
const blockRuns = 200;

let server: TestServer;
let control: ControlConversation;

beforeAll(async () => {
  process.stdout.write(`fuzz: ${runs} runs of each kind, seed ${seed}\n`);
  server = await startTestServer({ overrides: { log } });
  await addParticipants(server, fuzzer, other, watcher);
  control = await ControlConversation.open(server);
});

afterAll(async () => {
  closeFuzzAgent();
  await control[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** Runs `attack` on all kinds of inputs for a session, beside a reader of it and the control conversation. */
async function fuzz<T>(
  inputsFor: (sessionId: string) => fc.Arbitrary<T>,
  attack: (input: T) => Promise<void>,
): Promise<void> {
  for (let done = 0; done < runs; done += blockRuns) {
    const sessionId = await addGroup(server, fuzzer, other, watcher);
    await using watching = await SessionClient.open(server.socketUrl(watcher), sessionId);
    expect(await watching.join()).toMatchObject({ status: 'ok' });
    const property = fc.asyncProperty(inputsFor(sessionId), async (input) => {
      await Promise.all([attack(input), control.exchange(), watching.socket.settle()]);
      expect(failures).toEqual([]);
    });
    await fc.assert(property, { numRuns: Math.min(blockRuns, runs - done), seed: seed + done });
    // Whatever was stored was shown, once and in order.
    const answer = await server.api('GET', `/api/sessions/${sessionId}`);
    const { last_seq: lastSeq } = answer.body.session;
    await waitUntil(() => watching.seqs.length >= lastSeq, { what: 'every message' });
    expect(watching.seqs).toEqual(Array.from({ length: lastSeq }, (_, index) => index + 1));
  }
}

const inboxTopic = `inbox:${fuzzer}`;

describe('whatever a client says on its socket', () => {
  test('each frame is answered or dropped as the protocol says, or closes this socket alone', {
    timeout: timeoutMs,
  }, async () => {
    let accepted = 0;
    await fuzz(
      (sessionId) => scriptArbitrary({ sessionTopic: `session:${sessionId}`, inboxTopic }),
      async (script) => {
        accepted += await play(script);
      },
    );
    // Much of it makes sense: it is no use to be refused all the time.
    expect(accepted).toBeGreaterThan(runs / 10);
  });
});

/** Says it all, and explains what comes back. Returns how many frames were answered with ok. */
async function play({ vsn, acts, garbage, known }: Script): Promise<number> {
  await using socket = await RawSocket.open(server.socketUrl(fuzzer), { vsn });
  const model = new FrameModel((topic) => Object.values(known).includes(String(topic)));
  const meanings = acts.map((act) => meaningOf(act, vsn));
  const end = meanings.find((meaning) => typeof meaning === 'object' && 'closes' in meaning);
  for (const meaning of meanings) {
    if (meaning === end) break;
    if (meaning !== 'nothing' && !('closes' in meaning)) model.sent(meaning);
  }
  socket.writeBytes(Buffer.concat(acts.map(toFrames)));
  const explain = () => {
    for (const frame of socket.unread()) model.received(toFrame(frame, vsn));
    return model.isSettled;
  };
  if (end !== undefined && typeof end === 'object' && 'closes' in end) {
    expect((await socket.closed).code).toBe(end.closes);
    explain();
    return model.accepted;
  }
  await waitUntil(explain, { what: 'every answer that is owed' });
  if (garbage !== null) socket.writeBytes(garbage);
  return model.accepted;
}

describe('whatever a request of REST holds', () => {
  test('it succeeds, or is answered with a problem of the table', { timeout: timeoutMs }, async () => {
    // Whoever reads along stays a member.
    const participantIds = [fuzzer, other];
    await fuzz(
      (sessionId) => requestArbitrary({ sessionId, participantIds }),
      async (request) => expectAnswer(await send(server.url, request), request.method),
    );
  });

  test('bytes that are no HTTP are refused with 400, or hung up on', { timeout: timeoutMs }, async () => {
    const start = fc.constantFrom(
      '',
      'GET /api/sessions HTTP/1.1\r\nHost: localhost\r\n',
      'POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n',
    );
    const inputs = fc.tuple(start, fc.uint8Array({ maxLength: 200 }));
    await fuzz(
      () => inputs,
      async ([head, rest]) => {
        const answer = await exchange(Buffer.concat([Buffer.from(head), rest]));
        if (answer !== '') expect(answer).toMatch(/^HTTP\/1\.1 (?:200|4\d\d) /);
        expect(answer).not.toMatch(/HTTP\/1\.1 5/);
      },
    );
  });
});

/** Everything that comes back for these bytes, once the client has said that there are no more. */
async function exchange(bytes: Uint8Array): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  let received = '';
  socket.on('data', (data) => {
    received += data.toString('latin1');
  });
  socket.on('error', () => undefined);
  socket.end(bytes);
  await once(socket, 'close');
  return received;
}

function expectAnswer({ status, headers, text }: RawAnswer, method: string): void {
  if (status < 300) return;
  expect(status, text).toBeLessThan(500);
  expect(headers['content-type']).toMatch(/^application\/problem\+json/);
  if (method === 'HEAD') return;
  const problem = problemSchema.parse(JSON.parse(text));
  expect(errorTable[problem.code]?.status, text).toBe(status);
  expect(problem).toMatchObject({ status, request_id: headers['x-request-id'] });
}

describe('whatever a handshake holds', () => {
  test('it is let in, or refused with an empty 400, 403 or 404', { timeout: timeoutMs }, async () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 }).map((each) => each.toWellFormed());
    const token = fc.stringMatching(/^[A-Za-z0-9._-]{1,30}$/);
    const handshake = fc.record({
      query: fc.dictionary(fc.oneof(fc.constantFrom('token', 'participant_id', 'vsn', 'a[b]'), text), text, {
        maxKeys: 4,
      }),
      vsn: fc.oneof(fc.constantFrom('2.0.0', '1.0.0', null), text),
      protocols: fc.uniqueArray(
        fc.oneof(
          fc.constant('phoenix'),
          token,
          token.map((each) => `base64url.bearer.phx.${each}`),
        ),
        { maxLength: 3 },
      ),
      headers: fc.record(
        { origin: fc.oneof(fc.constant(server.url), fc.webUrl()), authorization: token },
        { requiredKeys: [] },
      ),
    });
    await fuzz(
      () => handshake,
      async ({ query, ...options }) => {
        const url = `${server.socketUrl()}?${new URLSearchParams(query)}`;
        const opened = await RawSocket.open(url, options).catch((error: unknown) => error);
        if (opened instanceof RawSocket) {
          if (options.vsn === '2.0.0') expect(await opened.settle()).toEqual([]);
          await opened[Symbol.asyncDispose]();
        } else if (opened instanceof HandshakeRefused) {
          expect([opened.body, [400, 403, 404].includes(opened.status)]).toEqual(['', true]);
        } else throw opened;
      },
    );
  });
});
