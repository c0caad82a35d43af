import specification from '@asyncapi/specs/schemas/3.0.0.json' with { type: 'json' };
import { type ChannelContract, channelContracts, describeAsyncApi } from '@fleetlm/protocol';
import {
  AgentServer,
  addParticipants,
  beginAnswer,
  type RawFrame,
  RawSocket,
  startTestServer,
  type TestServer,
} from '@fleetlm/testkit';
import { Ajv, type Options } from 'ajv';
import formats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { strictSchemas } from './strict-schemas.ts';

const document = describeAsyncApi() as unknown as AsyncApi;
const contracts: Readonly<Record<string, ChannelContract>> = channelContracts;
const frames = newAjv();
frames.addSchema({
  $id: 'asyncapi',
  ...document,
  components: { schemas: strictSchemas(document.components.schemas) },
});

let server: TestServer;
let agent: AgentServer;

beforeAll(async () => {
  server = await startTestServer();
  agent = await AgentServer.start();
  await addParticipants(server, 'user:alice', 'user:bob', 'agent:bot');
  await server.api('PUT', '/api/agents/agent:bot/endpoint', { body: { origin_url: agent.url } });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
});

describe('the document', () => {
  test('is valid AsyncAPI 3.0', () => {
    // The specification’s own JSON Schema: all of its rules but those that cross from one part to another.
    // It brings its own copy of draft 7.
    const validate = newAjv({ meta: false, validateSchema: false }).compile(specification);
    validate(document);
    expect(validate.errors).toBeNull();
    expect(validate({ ...document, channels: { session: { address: 7 } } })).toBe(false);
  });

  test('refers to nothing that is not there', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)];
    expect(references.length).toBeGreaterThan(100);
    for (const [, path] of references) {
      const target = path!
        .split('/')
        .reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], document);
      expect(target, path).toBeDefined();
    }
  });

  test('names the events that a topic answers, and no other', async () => {
    const sessionId = await startSession();
    await using socket = await RawSocket.open(server.socketUrl('user:alice'));
    for (const [channel, topic] of [
      ['session', `session:${sessionId}`],
      ['inbox', 'inbox:user:alice'],
    ] as const) {
      await push(socket, topic, 'phx_join', {});
      for (const event of ['send', 'read', 'history', 'stop', 'typing', 'message']) {
        const { response } = (await push(socket, topic, event, {}))[4];
        expect(response.reason === 'unknown_event', event).toBe(!(event in contracts[channel]!.clientEvents));
      }
    }
  });
});

test('frames of a server are what the document says', async () => {
  const sessionId = await startSession();
  const groupId = await startSession({ kind: 'group', initiator_id: 'user:alice', member_ids: ['user:bob'] });
  await using alice = await RawSocket.open(server.socketUrl('user:alice'));
  await using bob = await RawSocket.open(server.socketUrl('user:bob'));
  const topic = `session:${sessionId}`;
  const seen = new Set<string>();
  const ask = async (socket: RawSocket, to: string, event: string, payload: object) => {
    const frame = [null, nextRef(), to, event, payload];
    expect(problemsOf(to, event, frame)).toEqual([]);
    socket.send(frame);
    const reply = await socket.next((each) => each[1] === frame[1] && each[3] === 'phx_reply');
    const name = `${event}_${reply[4].status}`;
    expect(problemsOf(to, name, reply), name).toEqual([]);
    seen.add(`${channelOf(to)} ${event}`);
    return reply;
  };
  for (const socket of [alice, bob]) await ask(socket, topic, 'phx_join', {});
  await ask(bob, `session:${groupId}`, 'phx_join', { last_seq: 0 });
  await ask(alice, 'inbox:user:alice', 'phx_join', {});
  await ask(alice, topic, 'send', {
    content: { content: { text: 'hi' }, metadata: { n: 1 } },
    client_id: 'one',
  });
  await ask(alice, topic, 'send', { content: { content: { text: 'other' } }, client_id: 'one' });
  await ask(bob, topic, 'history', { limit: 1 });
  await ask(bob, topic, 'read', {});
  await ask(bob, topic, 'stop', {});
  const answeredId = await startSession({ initiator_id: 'user:alice', peer_id: 'agent:bot' });
  const asked = { id: answeredId, askerId: 'user:alice', agentIds: ['agent:bot'] };
  const answer = await beginAnswer(server, agent, asked);
  await ask(alice, `session:${answeredId}`, 'phx_join', {});
  answer.finish();
  await server.api('PATCH', `/api/sessions/${sessionId}`, { body: { metadata: { topic: 'tea' } } });
  await server.api('DELETE', `/api/sessions/${groupId}/members/user:bob`);
  for (const event of ['message', 'read', 'stream_chunk', 'session', 'update'])
    await alice.next((frame) => frame[3] === event);
  await bob.next((frame) => frame[3] === 'phx_close');
  await ask(bob, `session:${groupId}`, 'send', { content: { content: {} } });
  for (const each of [topic, 'inbox:user:alice']) await ask(alice, each, 'phx_leave', {});
  await ask(alice, 'phoenix', 'heartbeat', {});
  for (const text of [...alice.texts, ...bob.texts]) {
    const frame = JSON.parse(text);
    if (frame[3] === 'phx_reply') continue;
    expect(problemsOf(frame[2], `on_${frame[3]}`, frame), text).toEqual([]);
    seen.add(`${channelOf(frame[2])} on ${frame[3]}`);
  }
  expect([...seen].sort()).toEqual(expectedEvents().sort());
});

test('a frame with a field too few or too many is refused', () => {
  const payload = { participant_id: 'user:bob', last_read_seq: 1, last_read_at: null };
  const check = (changed: object) =>
    problemsOf('session:x', 'on_read', [null, null, 'session:x', 'read', changed]);
  expect(check(payload)).toEqual([]);
  expect(check({ ...payload, secret: 1 })).not.toEqual([]);
  expect(check({ participant_id: 'user:bob' })).not.toEqual([]);
});

interface AsyncApi {
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/** These need a fault, a lost node or the end of a token; other tests make them happen. */
const elsewhere = new Set([
  'session on phx_error',
  'session on token_expired',
  'inbox on phx_error',
  'inbox on token_expired',
  'inbox on snapshot',
]);

function expectedEvents(): string[] {
  return Object.entries(contracts)
    .flatMap(([channel, { clientEvents, serverEvents }]) => [
      ...Object.keys(clientEvents).map((event) => `${channel} ${event}`),
      ...Object.keys(serverEvents).map((event) => `${channel} on ${event}`),
    ])
    .filter((event) => !elsewhere.has(event));
}

async function startSession(
  body: object = { initiator_id: 'user:alice', peer_id: 'user:bob' },
): Promise<string> {
  return (await server.api('POST', '/api/sessions', { body })).body.session.id;
}

async function push(socket: RawSocket, topic: string, event: string, payload: object): Promise<RawFrame> {
  const ref = nextRef();
  socket.send([null, ref, topic, event, payload]);
  return socket.next((frame) => frame[1] === ref && frame[3] === 'phx_reply');
}

let lastRef = 0;
function nextRef(): string {
  lastRef += 1;
  return `ref-${lastRef}`;
}

function channelOf(topic: string): string {
  return topic.split(':')[0]!;
}

function problemsOf(topic: string, message: string, frame: RawFrame) {
  const path = `channels/${channelOf(topic)}/messages/${message}/payload`;
  const validate = frames.getSchema(`asyncapi#/${path}`);
  if (!validate) throw new Error(`the document has nothing at ${path}`);
  return validate(frame) ? [] : validate.errors;
}

function newAjv(options: Options = {}): Ajv {
  const ajv = new Ajv({ strict: false, ...options });
  formats.default(ajv);
  return ajv;
}
