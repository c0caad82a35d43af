import type { Entry } from '../../case.ts';
import { absentTurnId, newEndpoint } from '../rest/agent-cases.ts';

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
      title: 'a turn is redelivered while another one is pending',
      why: 'a turn that is pending just then is a matter of time',
      proof: {
        file: 'packages/server/test/agents/turns/redeliver.test.ts',
        test: 'one that is pending stands in the way',
      },
    },
  ],
  turn_running: [],
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
