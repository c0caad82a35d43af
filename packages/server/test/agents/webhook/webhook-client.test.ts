import { RawHttpServer, testCertificate, waitUntil } from '@fleetlm/testkit';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AddressGuard } from '../../../src/agents/webhook/address-guard.ts';
import type { Answer, CallOutcome } from '../../../src/agents/webhook/open-call.ts';
import { WebhookClient } from '../../../src/agents/webhook/webhook-client.ts';
import { parseAllowedRanges } from '../../../src/config/allowed-ranges.ts';
import { hostileAnswers } from './address-table.ts';
import { callOf, failureOf, localClient, patient, readToEnd, signingSecret } from './call-fixture.ts';

const ok = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n';

let agent: RawHttpServer;

beforeEach(async () => {
  agent = await RawHttpServer.start();
  agent.answer = (socket) => socket.end(`${ok}content-length: 5\r\n\r\nhello`);
});
afterEach(async () => {
  // Whatever came of a call: its connection is closed.
  await waitUntil(() => agent.openConnections === 0, { what: 'the connection is closed' });
  await agent[Symbol.asyncDispose]();
});

function answered(outcome: CallOutcome): Answer {
  if (outcome.kind === 'failed') throw new Error(`failed: ${JSON.stringify(outcome.failure)}`);
  return outcome;
}

async function textOf(outcome: CallOutcome): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const bytes of answered(outcome).body) parts.push(bytes);
  return Buffer.concat(parts).toString();
}

describe('a call', () => {
  test('is a signed POST with our headers and those of the endpoint', async () => {
    const call = callOf(agent.url('/turns?key=1#part'), {
      headers: { authorization: 'Bearer secret', 'X-Team': 'blue' },
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
    expect(await textOf(await localClient().call(call))).toBe('hello');
    const { head, body } = agent.requests[0]!;
    const [line, ...rest] = head.split('\r\n');
    const headers = Object.fromEntries(rest.map((each) => each.split(/: (.*)/).slice(0, 2)));
    expect(line).toBe('POST /turns?key=1 HTTP/1.1');
    expect(body).toEqual(Buffer.from(call.body));
    expect(headers).toMatchObject({
      host: `127.0.0.1:${agent.port}`,
      authorization: 'Bearer secret',
      'X-Team': 'blue',
      traceparent: call.traceparent,
      'content-type': 'application/json',
      'content-length': String(call.body.length),
      'accept-encoding': 'identity',
      'webhook-id': call.id,
    });
    expect(head).toMatch(/^connection: close$/im);
    expect(new Webhook(signingSecret).verify(body, headers as Record<string, string>)).toMatchObject({
      type: 'turn.requested',
    });
  });

  test('of 1 MiB arrives whole', async () => {
    const body = Buffer.alloc(1 << 20, 'x');
    await textOf(await localClient().call(callOf(agent.url(), { body })));
    expect(agent.requests[0]!.body.equals(body)).toBe(true);
  });

  test('goes over IPv6', async () => {
    await using other = await RawHttpServer.start({ host: '::1' });
    other.answer = (socket) => socket.end(`${ok}content-length: 2\r\n\r\nv6`);
    expect(await textOf(await localClient().call(callOf(other.url())))).toBe('v6');
    expect(other.requests[0]!.head).toContain(`Host: [::1]:${other.port}`.replace('Host', 'host'));
  });

  test('asks for no proxy', async () => {
    process.env['http_proxy'] = 'http://127.0.0.1:1';
    process.env['NODE_USE_ENV_PROXY'] = '1';
    try {
      expect(await textOf(await localClient().call(callOf(agent.url())))).toBe('hello');
    } finally {
      delete process.env['http_proxy'];
      delete process.env['NODE_USE_ENV_PROXY'];
    }
  });

  test('reads only as fast as its reader', async () => {
    let isStopped = false;
    agent.answer = (socket) => {
      socket.write(`${ok}\r\n`);
      const block = Buffer.alloc(64 << 10, 'x');
      let sent = 0;
      const send = () => {
        while (sent < 64 << 20 && socket.write(block)) sent += block.length;
        isStopped = sent < 64 << 20;
      };
      socket.on('drain', () => {
        isStopped = false;
        send();
      });
      send();
    };
    const limits = { ...patient, idleMs: 50 };
    const outcome = answered(await localClient().call(callOf(agent.url(), { limits })));
    const body = outcome.body[Symbol.asyncIterator]();
    await body.next();
    // Nobody reads for longer than the idle time: the agent is held up, and not to blame.
    await waitUntil(() => isStopped, { what: 'the agent cannot send more' });
    const heldSinceMs = performance.now();
    await waitUntil(() => performance.now() - heldSinceMs > 3 * limits.idleMs);
    expect(isStopped).toBe(true);
    expect((await body.next()).done).toBe(false);
    await body.return?.();
  });
});

test.each([
  ['HTTP/1.0 200 OK', [], true],
  ['HTTP/1.1 200 OK', ['connection: close'], true],
  ['HTTP/1.1 200 OK', ['content-length: 0'], false],
  ['HTTP/1.0 200 OK', ['content-length: 0'], false],
  ['HTTP/1.1 200 OK', ['transfer-encoding: chunked'], false],
])('whether a body ends with its connection: %s %j: %s', async (status, headers, endsWithConnection) => {
  agent.answer = (socket) => socket.end([status, ...headers, '', ''].join('\r\n'));
  const answer = answered(await localClient().call(callOf(agent.url())));
  expect(answer.endsWithConnection).toBe(endsWithConnection);
  answer.close();
});

describe('the connection is closed', () => {
  const stages: readonly (readonly [stage: string, answer: RawHttpServer['answer']])[] = [
    ['before an answer', () => {}],
    ['between headers and body', (socket) => socket.write(`${ok}content-length: 5\r\n\r\n`)],
    ['in the body', (socket) => socket.write(`${ok}content-length: 5\r\n\r\nhe`)],
    ["in an error's body", (socket) => socket.write('HTTP/1.1 500 No\r\ncontent-length: 5\r\n\r\nhe')],
  ];

  test.each(stages)('within 250 ms of an abort %s', async (_stage, answer) => {
    agent.answer = answer;
    const abort = new AbortController();
    const call = callOf(agent.url(), { signal: abort.signal });
    const failing = localClient().call(call).then(failureOf);
    await waitUntil(() => agent.requests.length === 1);
    const abortedMs = performance.now();
    abort.abort();
    await waitUntil(() => agent.openConnections === 0);
    expect(performance.now() - abortedMs).toBeLessThan(250);
    expect((await failing)?.retryable ?? false).toBe(false);
  });

  test('of an abort while it is opened, and before', async () => {
    // It waits for a request while the client waits for its part of the handshake.
    await using silent = await RawHttpServer.start();
    const url = silent.url().replace('http:', 'https:');
    const abort = new AbortController();
    const failing = localClient().call(callOf(url, { signal: abort.signal }));
    await waitUntil(() => silent.connections === 1);
    abort.abort();
    expect(await failing.then(failureOf)).toMatchObject({ reason: 'aborted' });
    await waitUntil(() => silent.openConnections === 0);
    const again = await localClient().call(callOf(url, { signal: abort.signal }));
    expect(await failureOf(again)).toMatchObject({ reason: 'aborted' });
    expect(silent.connections).toBe(1);
  });

  test('when its reader leaves, or never begins', async () => {
    agent.answer = (socket) => socket.write(`${ok}\r\nfirst`);
    for await (const _bytes of answered(await localClient().call(callOf(agent.url()))).body) break;
    await waitUntil(() => agent.openConnections === 0);
    answered(await localClient().call(callOf(agent.url()))).close();
    await waitUntil(() => agent.openConnections === 0);
  });

  test('by its time when nobody reads the answer', async () => {
    agent.answer = (socket) => socket.write(`${ok}\r\nfirst`);
    const limits = { ...patient, maxDurationMs: 200 };
    const outcome = await localClient().call(callOf(agent.url(), { limits }));
    await waitUntil(() => agent.openConnections === 0);
    expect(await failureOf(outcome)).toMatchObject({ reason: 'duration_exceeded' });
  });

  test('after each call: a server that gives up idle connections loses none', async () => {
    let served = 0;
    agent.answer = (socket) => {
      served += 1;
      socket.write(`${ok}connection: keep-alive\r\nkeep-alive: timeout=60\r\ncontent-length: 2\r\n\r\nok`);
      socket.end();
    };
    for (let call = 1; call <= 10; call += 1) {
      expect(await textOf(await localClient().call(callOf(agent.url())))).toBe('ok');
      expect([served, agent.connections]).toEqual([call, call]);
    }
  });
});

describe('at connect time (S22)', () => {
  test.each(hostileAnswers.filter(([, refusal]) => refusal !== 'loopback'))(
    'a name with the address %j is refused: %s, and so is one with a good address besides',
    async (address, refusal) => {
      for (const addresses of [[address], ['127.0.0.1', address], [address, '127.0.0.1']]) {
        const client = localClient({ 'agent.test': addresses });
        const outcome = await client.call(callOf(agent.url('/', 'agent.test').replace('http:', 'https:')));
        expect(outcome).toMatchObject({ failure: { reason: 'address_not_allowed', retryable: false } });
        expect((await failureOf(outcome))?.detail).toMatch(`: ${refusal}`);
      }
      expect(agent.connections).toBe(0);
    },
  );

  test.each(['http://127.0.0.1', 'https://[::1]', 'https://localhost', 'https://0x7f.1'])(
    '%s is refused where loopback is not allowed',
    async (origin) => {
      const guard = new AddressGuard({ allowLoopback: false, allowedRanges: parseAllowedRanges('') });
      const client = new WebhookClient({ guard, resolveHost: async () => ['127.0.0.1'] });
      expect(await client.call(callOf(`${origin}:${agent.port}/`))).toMatchObject({
        failure: { reason: 'url_not_allowed', detail: 'loopback' },
      });
      expect(await client.call(callOf(`https://agent.test:${agent.port}/`))).toMatchObject({
        failure: { reason: 'address_not_allowed' },
      });
      expect(agent.connections).toBe(0);
    },
  );

  test('a name is resolved once, and the call goes to what was checked, as that name', async () => {
    await using secure = await RawHttpServer.start({ tls: true });
    secure.answer = (socket) => socket.end(`${ok}content-length: 2\r\n\r\nok`);
    let questions = 0;
    const client = new WebhookClient({
      guard: new AddressGuard({ allowLoopback: true, allowedRanges: parseAllowedRanges('') }),
      // The second answer is where the attacker wants to be.
      resolveHost: async () => [['127.0.0.1'], ['169.254.169.254']][questions++]!,
      ca: testCertificate.cert,
    });
    expect(await textOf(await client.call(callOf(secure.url('/', 'agent.test'))))).toBe('ok');
    expect(questions).toBe(1);
    expect(secure.requests[0]!.head).toContain(`agent.test:${secure.port}`);
    expect(await failureOf(await client.call(callOf(secure.url('/', 'agent.test'))))).toMatchObject({
      reason: 'address_not_allowed',
    });
    expect(secure.connections).toBe(1);
  });

  test('a name without addresses, or without an answer', async () => {
    const client = localClient({ 'empty.test': [] });
    for (const host of ['empty.test', 'missing.test']) {
      expect(await failureOf(await client.call(callOf(`https://${host}/`)))).toMatchObject({
        reason: 'name_not_found',
        retryable: true,
      });
    }
  });

  test('the next address is tried when one does not answer', async () => {
    const client = localClient({ localhost: ['::1', '127.0.0.1'] });
    expect(await textOf(await client.call(callOf(agent.url('/', 'localhost'))))).toBe('hello');
  });
});

describe('over TLS', () => {
  let secure: RawHttpServer;
  const trusting = localClient(
    { 'agent.test': ['127.0.0.1'], 'other.test': ['127.0.0.1'] },
    testCertificate.cert,
  );

  beforeEach(async () => {
    secure = await RawHttpServer.start({ tls: true });
    secure.answer = (socket) => socket.end(`${ok}content-length: 6\r\n\r\nsecret`);
  });
  afterEach(async () => {
    await waitUntil(() => secure.openConnections === 0);
    await secure[Symbol.asyncDispose]();
  });

  test.each([
    [undefined, false],
    ['agent.test', 'agent.test'],
    ['agent.test.', 'agent.test'],
  ])('to %s with the right certificate, asked for as %s', async (host, serverName) => {
    expect(await textOf(await trusting.call(callOf(secure.url('/', host))))).toBe('secret');
    expect(secure.serverNames).toEqual([serverName]);
  });

  test.each([
    ['of nobody that is trusted', localClient({ 'agent.test': ['127.0.0.1'] }), 'agent.test'],
    ['of another name', trusting, 'other.test'],
  ])('a certificate %s: not a byte is sent', async (_what, client, host) => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      const outcome = await client.call(callOf(secure.url('/', host)));
      expect(outcome).toMatchObject({ failure: { reason: 'tls_failed', retryable: true } });
    } finally {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    }
    expect(secure.requests).toEqual([]);
  });

  test('a server that speaks no TLS', async () => {
    const plain = agent.url().replace('http:', 'https:');
    agent.greet = (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    expect(await failureOf(await trusting.call(callOf(plain)))).toMatchObject({ reason: 'tls_failed' });
  });
});

test('an answer of no content type, and one of nothing', async () => {
  agent.answer = (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  const { events, end } = await readToEnd(answered(await localClient().call(callOf(agent.url()))));
  expect([events, end.failure]).toEqual([[], null]);
});
