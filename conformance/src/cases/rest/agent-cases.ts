import {
  deliveriesReplySchema,
  endpointReplySchema,
  endpointTestReplySchema,
  stopReplySchema,
  turnReplySchema,
  turnsReplySchema,
} from '@fleetlm/protocol';
import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { holding } from '../../pattern.ts';
import { type Subject, shaped } from '../../subject.ts';

/** Nobody is called there, unless a case says so; then nobody answers, and that soon. */
const nobody = { origin_url: 'https://agent.invalid/turns', timeout_ms: 100 };
/** A turn that there is not. */
export const absentTurnId = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

/** An agent with an endpoint that nobody answers at. */
export async function newEndpoint(subject: Subject): Promise<{ id: string; path: string }> {
  const id = await subject.person('agent');
  const path = `/api/agents/${id}/endpoint`;
  check((await subject.call('PUT', path, { body: nobody })).status, 200);
  return { id, path };
}

/** A turn that was stopped before anybody was called: the endpoint is disabled. `ask` makes the next one. */
export async function stoppedTurn(subject: Subject) {
  const { id: agent, path } = await newEndpoint(subject);
  await subject.call('PUT', path, { body: { status: 'disabled' } });
  const alice = await subject.person();
  const sessionId = await subject.session({ initiator_id: alice, peer_id: agent });
  const ask = () => subject.say({ id: sessionId, T: `session:${sessionId}`, alice, bob: agent }, 'hello?');
  await ask();
  const { body } = await subject.call('POST', `/api/sessions/${sessionId}/stop`, { body: {} });
  const [turnId] = shaped(body, stopReplySchema).stopped;
  return { agent, turnId: turnId!, ask };
}

/** `/api/agents`, by call. */
export const agentCases: Readonly<Record<string, readonly Entry[]>> = {
  'PUT /api/agents/:id/endpoint': [
    {
      id: 'rest/put-endpoint',
      title: 'makes an endpoint, whose secret is shown this once, and changes what is named',
      isOurs: true,
      async run(subject) {
        const path = `/api/agents/${await subject.person('agent')}/endpoint`;
        const body = { ...nobody, auth_strategy: 'bearer', auth_value: 'a-token', unknown: 'ignored' };
        const made = subject.shaped(await subject.call('PUT', path, { body }), 200, endpointReplySchema);
        check(made.endpoint.signing_secret?.startsWith('whsec_'), true);
        check(made.endpoint, holding({ auth_strategy: 'bearer', status: 'enabled', timeout_ms: 100 }));
        const answer = await subject.call('PUT', path, { body: { status: 'disabled' } });
        const { endpoint } = subject.shaped(answer, 200, endpointReplySchema);
        check(endpoint, holding({ origin_url: nobody.origin_url, status: 'disabled' }));
        check(endpoint.signing_secret, undefined);
      },
    },
  ],
  'GET /api/agents/:id/endpoint': [
    {
      id: 'rest/get-endpoint',
      title: 'shows an endpoint to the service, without its secrets',
      isOurs: true,
      async run(subject) {
        const { id, path } = await newEndpoint(subject);
        const { body } = await subject.call('PUT', path, {
          body: { auth_strategy: 'bearer', auth_value: 'hush' },
        });
        const answer = await subject.call('GET', path);
        check(subject.shaped(answer, 200, endpointReplySchema).endpoint, holding({ agent_id: id }));
        check(answer.body, body);
        check(/hush|whsec_/.test(JSON.stringify(answer.body)), false);
        subject.problem(await subject.call('GET', path, { as: id }), 'forbidden');
      },
    },
  ],
  'DELETE /api/agents/:id/endpoint': [
    {
      id: 'rest/delete-endpoint',
      title: 'takes an endpoint away',
      isOurs: true,
      async run(subject) {
        const { path } = await newEndpoint(subject);
        subject.shaped(await subject.call('DELETE', path), 200, endpointReplySchema);
        subject.problem(await subject.call('DELETE', path), 'endpoint_not_found');
      },
    },
  ],
  'POST /api/agents/:id/endpoint/test': [
    {
      id: 'rest/test-endpoint',
      title: 'calls an endpoint once, and says that nobody was there',
      isOurs: true,
      async run(subject) {
        const { path } = await newEndpoint(subject);
        const answer = await subject.call('POST', `${path}/test`);
        const { test } = subject.shaped(answer, 200, endpointTestReplySchema);
        check(test, holding({ ok: false, http_status: null, first_chunk_ms: null, chunks: 0, text: '' }));
        check(/^(name_not_found|connect_timeout|connect_failed):/.test(test.error_reason ?? ''), true);
      },
    },
  ],
  'POST /api/agents/:id/endpoint/rotate-secret': [
    {
      id: 'rest/rotate-secret',
      title: 'a new secret; the old one signs for a day as well',
      isOurs: true,
      async run(subject) {
        const { path } = await newEndpoint(subject);
        const answer = await subject.call('POST', `${path}/rotate-secret`);
        const { endpoint } = subject.shaped(answer, 200, endpointReplySchema);
        check(endpoint.signing_secret?.startsWith('whsec_'), true);
        const leftMs = Date.parse(endpoint.previous_secret_until ?? '') - Date.parse(endpoint.updated_at);
        check(leftMs, 24 * 3_600_000);
      },
    },
  ],
  'GET /api/agents/:id/turns': [
    {
      id: 'rest/list-turns',
      title: 'the turns of an agent: none of one that nobody has spoken to',
      isOurs: true,
      async run(subject) {
        const { id } = await newEndpoint(subject);
        const answer = await subject.call('GET', `/api/agents/${id}/turns?status=dead&limit=1`);
        check(subject.shaped(answer, 200, turnsReplySchema), { turns: [], next_cursor: null });
      },
    },
  ],
  'GET /api/agents/:id/deliveries': [
    {
      id: 'rest/list-deliveries',
      title: 'the attempts to call an agent; a test is none',
      isOurs: true,
      async run(subject) {
        const { id, path } = await newEndpoint(subject);
        check((await subject.call('POST', `${path}/test`)).status, 200);
        const answer = await subject.call('GET', `/api/agents/${id}/deliveries`);
        check(subject.shaped(answer, 200, deliveriesReplySchema), { deliveries: [], next_cursor: null });
      },
    },
  ],
  'POST /api/agents/:id/turns/:turn_id/redeliver': [
    {
      id: 'rest/redeliver',
      title: 'a new turn over the messages of one that was stopped; for the service alone',
      isOurs: true,
      async run(subject) {
        const { agent, turnId } = await stoppedTurn(subject);
        const path = `/api/agents/${agent}/turns`;
        const redeliver = `${path}/${turnId}/redeliver`;
        subject.problem(await subject.call('POST', redeliver, { as: agent }), 'forbidden');
        const answer = subject.shaped(await subject.call('POST', redeliver), 201, turnReplySchema);
        check(answer.turn, holding({ agent_id: agent, status: 'pending', from_seq: 1, to_seq: 1 }));
        const { body } = await subject.call('GET', path);
        const listed = shaped(body, turnsReplySchema).turns.map(({ id, status }) => [id, status]);
        check(listed, [
          [answer.turn.id, 'pending'],
          [turnId, 'stopped'],
        ]);
      },
    },
  ],
};
