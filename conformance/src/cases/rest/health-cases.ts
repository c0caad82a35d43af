import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { holding } from '../../pattern.ts';

/** `/health`, by call: open to everybody. */
export const healthCases: Readonly<Record<string, readonly Entry[]>> = {
  'GET /health/live': [healthCase('live')],
  'GET /health/ready': [healthCase('ready')],
};

function healthCase(status: 'live' | 'ready'): Entry {
  return {
    id: `rest/health-${status}`,
    title: `/health/${status} needs no identity`,
    isOurs: true,
    async run(subject) {
      const answer = await subject.callAsNobody('GET', `/health/${status}`, {});
      check([answer.status, answer.body], [200, holding({ status })]);
    },
  };
}
