import { type ErrorCode, parseShape, shapeExamples, shapesByDirection } from '@fleetlm/protocol';
import {
  AgentServer,
  type ApiAnswer,
  type ApiOptions,
  addParticipants,
  beginAnswer,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { describeOpenApi } from 'fleetlm';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { strictSchemas } from './strict-schemas.ts';

const document = describeOpenApi() as unknown as OpenApi;
const methods = ['get', 'post', 'put', 'patch', 'delete'] as const;
const ajv = new Ajv2020({ strict: false });
formats.default(ajv);
ajv.addSchema({
  $id: 'openapi',
  ...document,
  components: { ...document.components, schemas: strictSchemas(document.components.schemas) },
});

let server: TestServer;
/** Each call that was answered as the document says, with the statuses. */
const seen = new Map<string, Set<number>>();

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

describe('the document', () => {
  test('is valid OpenAPI 3.1', async () => {
    const validator = new Validator();
    expect(await validator.validate({ ...document })).toEqual({ valid: true });
    expect(validator.version).toBe('3.1');
    const { info: _, ...broken } = document;
    expect((await new Validator().validate(broken)).valid).toBe(false);
  });

  test('refers to nothing that is not there', () => {
    const references = JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g);
    for (const [, path] of references) {
      const target = path!
        .split('/')
        .reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], document);
      expect(target, path).toBeDefined();
    }
  });

  test('has examples that the shapes accept, and the schemas too', () => {
    const shapes = { ...shapesByDirection.input, ...shapesByDirection.output };
    for (const [name, example] of Object.entries(shapeExamples)) {
      expect(parseShape(shapes[name]!, example), name).toMatchObject({ ok: true });
      if (name in document.components.schemas) expect(problemsOf(name, example), name).toEqual([]);
    }
  });

  test.each(Object.keys(document.paths))('%s has the methods that are served, and no other', async (path) => {
    const served = await Promise.all(
      methods.map(async (method) => {
        const { status, body } = await server.api(
          method.toUpperCase(),
          path.replace(/\{\w+\}/g, 'user:none'),
        );
        return status === 404 && body.code === 'not_found' ? null : method;
      }),
    );
    const described = methods.filter((method) => method in document.paths[path]!);
    expect(served.filter((method) => method !== null)).toEqual(described);
  });
});

describe('what a server answers', () => {
  test('is what the document says, for every call', async () => {
    for (const id of ['user:alice', 'user:bob', 'user:carol', 'agent:bot']) {
      await call('PUT', '/api/participants/{id}', [id], { body: { display_name: id } });
    }
    await call('GET', '/api/participants/{id}', ['user:alice']);
    await call('GET', '/api/participants', [], {}, '?limit=1&kind=user');
    const direct = { initiator_id: 'user:alice', peer_id: 'user:bob', metadata: { topic: 'tea' } };
    const { session } = (await call('POST', '/api/sessions', [], { body: direct })).body;
    const group = { kind: 'group', initiator_id: 'user:alice', member_ids: ['agent:bot'] };
    const grouped = (await call('POST', '/api/sessions', [], { body: group })).body.session;
    await call('GET', '/api/sessions', [], {}, '?limit=1');
    const message = { sender_id: 'user:alice', content: { text: 'hi' }, client_id: 'one' };
    await call('POST', '/api/sessions/{id}/messages', [session.id], { body: message });
    await call('POST', '/api/sessions/{id}/messages', [session.id], { body: message });
    await call('GET', '/api/sessions/{id}/messages', [session.id]);
    await call('POST', '/api/sessions/{id}/read', [session.id], { body: { participant_id: 'user:bob' } });
    await call('GET', '/api/sessions/{id}', [session.id]);
    await callStreams(grouped.id);
    await call('GET', '/api/participants/{id}/inbox', ['user:bob']);
    const member = '/api/sessions/{id}/members/{participant_id}';
    await call('PUT', member, [grouped.id, 'user:carol'], { body: { wake: 'never' } });
    await call('DELETE', member, [grouped.id, 'agent:bot']);
    await call('GET', '/api/sessions/{id}/members', [grouped.id]);
    await call('PATCH', '/api/sessions/{id}', [grouped.id], { body: { status: 'closed' } });
    const refused = [
      await call('POST', '/api/sessions/{id}/messages', [grouped.id], { body: message }),
      await call('POST', '/api/sessions/{id}/messages', [session.id], { body: { ...message, content: {} } }),
      await call('POST', '/api/sessions/{id}/messages', [session.id], {
        body: { sender_id: 'user:carol', content: {} },
      }),
      await call('PUT', member, [session.id, 'user:carol'], { body: {} }),
    ];
    expect(refused.map(({ body }) => body.code)).toEqual([
      'session_closed',
      'client_id_conflict',
      'not_a_member',
      'not_a_group',
    ]);
    await callOfAgents();
    await call('GET', '/health/live', []);
    await call('GET', '/health/ready', []);
    const documented = Object.entries(document.paths).flatMap(([path, calls]) =>
      Object.keys(calls).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(
      [...seen]
        .filter(([, statuses]) => Math.min(...statuses) < 300)
        .map(([name]) => name)
        .sort(),
    ).toEqual(documented.sort());
  });

  test.each<[ErrorCode, string, string, ApiOptions]>([
    ['invalid_request', 'POST', '/api/sessions', { body: { initiator_id: 7 } }],
    ['forbidden', 'PUT', '/api/participants/{id}', { as: 'user:bob', body: {} }],
    ['session_not_found', 'GET', '/api/sessions/{id}', {}],
    ['participant_not_found', 'GET', '/api/participants/{id}/inbox', {}],
    [
      'session_not_found',
      'POST',
      '/api/sessions/{id}/messages',
      { body: { sender_id: 'user:bob', content: {} } },
    ],
    ['unauthorized', 'GET', '/api/participants', { as: '' }],
  ])('is %s to %s %s as the document says', async (code, method, path, options) => {
    const answer = await call(method, path, ['user:ghost'], options);
    expect(answer.body.code).toBe(code);
  });

  test('would be refused with a field too few, too many, or of another type', async () => {
    const { body } = await server.api('PUT', '/api/participants/user:alice', { body: {} });
    const { kind: _, ...lacking } = body.participant;
    const check = (participant: object) => problemsOf('ParticipantReply', { participant });
    expect(check(body.participant)).toEqual([]);
    expect(check(lacking)).not.toEqual([]);
    expect(check({ ...body.participant, secret: 1 })).not.toEqual([]);
    expect(check({ ...body.participant, inserted_at: 'yesterday' })).not.toEqual([]);
  });
});

/** Each call of agents once, with a turn that failed. */
async function callOfAgents(): Promise<void> {
  const endpoint = '/api/agents/{id}/endpoint';
  const agent = ['agent:bot'];
  const origin = { origin_url: 'https://agent.invalid/', timeout_ms: 100, status: 'disabled' };
  await call('PUT', endpoint, agent, { body: origin });
  await call('GET', endpoint, agent);
  await call('POST', `${endpoint}/test`, agent);
  await call('POST', `${endpoint}/rotate-secret`, agent);
  const turnId = '01K1J8Z6WR0000000000000000';
  const client = new Client(server.database.target);
  await client.connect();
  await client.query(`
    insert into agent_turns (id, agent_id, session_id, from_seq, to_seq, hop, status)
      values ('${turnId}', 'agent:bot', '${turnId}', 1, 1, 1, 'failed');
    insert into agent_delivery_logs (id, agent_id, turn_id, session_id, attempt, status, latency_ms)
      values ('${turnId}', 'agent:bot', '${turnId}', '${turnId}', 1, 'failed', 1)`);
  await client.end();
  const redeliver = '/api/agents/{id}/turns/{turn_id}/redeliver';
  await call('POST', redeliver, ['agent:bot', turnId]);
  const again = await call('POST', redeliver, ['agent:bot', turnId]);
  expect(again.body.code).toBe('turn_pending');
  await call('GET', '/api/agents/{id}/turns', agent, {}, '?limit=1');
  await call('GET', '/api/agents/{id}/deliveries', agent);
  await call('DELETE', endpoint, agent);
}

interface Operation {
  readonly responses: Readonly<Record<string, { readonly $ref?: string }>>;
}

interface OpenApi {
  readonly info: object;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/** A stream is read to its end; another one is written. */
async function callStreams(sessionId: string): Promise<void> {
  const path = '/api/sessions/{id}/streams';
  await call('POST', '/api/sessions/{id}/stop', [sessionId], { body: {} });
  await call('POST', path, [sessionId], { text: 'hi' }, '?agent_id=agent:bot');
  await using agent = await AgentServer.start();
  await addParticipants(server, 'agent:live');
  await server.api('PUT', '/api/agents/agent:live/endpoint', { body: { origin_url: agent.url } });
  await server.api('PUT', `/api/sessions/${sessionId}/members/agent:live`);
  const asked = { id: sessionId, askerId: 'user:alice', agentIds: ['agent:live'] };
  const answer = await beginAnswer(server, agent, asked);
  await call('GET', path, [sessionId]);
  await waitUntil(() => server.server.counts.subscribedTopics === 0);
  const reading = call('GET', `${path}/{stream_id}`, [sessionId, answer.facts.stream_id]);
  await waitUntil(() => server.server.counts.subscribedTopics === 1);
  answer.finish();
  expect((await reading).body).toContain('[DONE]');
}

/** Calls, and expects the answer to be among those that the document has for the call. */
async function call(
  method: string,
  path: string,
  ids: readonly string[],
  options: ApiOptions = {},
  query = '',
): Promise<ApiAnswer> {
  const left = [...ids];
  const target = path.replace(/\{\w+\}/g, () => encodeURIComponent(left.shift()!));
  const answer = await server.api(method, `${target}${query}`, options);
  const operation = document.paths[path]![method.toLowerCase()]!;
  const response = operation.responses[answer.status];
  expect(response, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBeDefined();
  const place =
    response!.$ref?.slice(2) ?? ['paths', path, method.toLowerCase(), 'responses', answer.status].join('\0');
  const type = answer.headers.get('content-type')!.split(';')[0]!;
  const pointer = [...place.split(response!.$ref ? '/' : '\0'), 'content', type, 'schema'];
  expect(problemsAt(pointer, answer.body), `${method} ${path}`).toEqual([]);
  const name = `${method} ${path}`;
  seen.set(name, (seen.get(name) ?? new Set()).add(answer.status));
  return answer;
}

function problemsOf(shape: string, value: unknown) {
  return problemsAt(['components', 'schemas', shape], value);
}

function problemsAt(pointer: readonly string[], value: unknown) {
  const path = pointer
    .map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
    .join('/');
  const validate = ajv.getSchema(`openapi#/${path}`);
  if (!validate) throw new Error(`no schema at ${path}`);
  return validate(value) ? [] : validate.errors;
}
