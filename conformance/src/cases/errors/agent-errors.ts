import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { holding } from '../../pattern.ts';
import { absentTurnId, newEndpoint, stoppedTurn } from '../rest/agent-cases.ts';

/** What is wrong with calls of agents: of their endpoints and turns. */
export const agentErrors = {
  endpoint_not_found: [
    {
      id: 'errors/endpoint_not_found',
      title: 'an agent that nobody has said where to call',
      isOurs: true,
      async run(subject) {
        const path = `/api/agents/${await subject.person('agent')}/endpoint`;
        subject.problem(await subject.call('GET', path), 'endpoint_not_found');
        subject.problem(await subject.call('POST', `${path}/test`), 'endpoint_not_found');
      },
    },
  ],
  turn_not_found: [
    {
      id: 'errors/turn_not_found',
      title: 'a turn that the agent has not',
      isOurs: true,
      async run(subject) {
        const { id } = await newEndpoint(subject);
        for (const turnId of [absentTurnId, 'no-id']) {
          const path = `/api/agents/${id}/turns/${turnId}/redeliver`;
          subject.problem(await subject.call('POST', path), 'turn_not_found');
        }
      },
    },
  ],
  turn_pending: [
    {
      id: 'errors/turn_pending',
      title: 'a turn is redelivered while another one is pending, which is called with its messages too',
      isOurs: true,
      async run(subject) {
        const { agent, turnId, ask } = await stoppedTurn(subject);
        await ask();
        const answer = await subject.call('POST', `/api/agents/${agent}/turns/${turnId}/redeliver`);
        subject.problem(answer, 'turn_pending');
      },
    },
  ],
  turn_running: [
    {
      id: 'errors/turn_running',
      title: 'an agent writes a stream while another one of it runs in the session',
      isOurs: true,
      async run(subject) {
        const [alice, agent] = await Promise.all([subject.person(), subject.person('agent')]);
        const id = await subject.session({ initiator_id: alice, peer_id: agent });
        const T = `session:${id}`;
        const socket = await subject.joined(alice, T);
        const path = `/api/sessions/${id}/streams`;
        const headers = { 'content-type': 'text/plain' };
        const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
        const writer = writable.getWriter();
        const first = fetch(new URL(path, subject.target.url), {
          method: 'POST',
          headers: { ...headers, ...(await subject.target.identity.headersOf(agent)) },
          body: readable,
          duplex: 'half',
        });
        await writer.write(Buffer.from('thinking'));
        await socket.S([null, null, T, 'stream_chunk', holding({ agent_id: agent, index: 0 })]);
        const second = await subject.call('POST', path, { as: agent, rawBody: 'too', headers });
        subject.problem(second, 'turn_running');
        await writer.close();
        check((await first).status, 200);
      },
    },
  ],
  url_not_allowed: [
    {
      id: 'errors/url_not_allowed',
      title: 'an endpoint where a cloud tells its secrets, or without encryption',
      isOurs: true,
      async run(subject) {
        const path = `/api/agents/${await subject.person('agent')}/endpoint`;
        for (const url of ['https://169.254.169.254/', 'http://agent.example/']) {
          const answer = await subject.call('PUT', path, { body: { origin_url: url } });
          subject.problem(answer, 'url_not_allowed');
        }
        subject.problem(await subject.call('GET', path), 'endpoint_not_found');
      },
    },
  ],
} satisfies Record<string, readonly Entry[]>;
