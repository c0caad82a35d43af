import { stopReplySchema } from '@fleetlm/protocol';
import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';

/** An id that no stream has. */
const absentId = '01K1J8Z0000000000000000000';

/** What agents are saying, by call. */
export const streamCases: Readonly<Record<string, readonly Entry[]>> = {
  'POST /api/sessions/:id/stop': [
    {
      id: 'rest/stop',
      title: 'a member may stop what agents do; where they do nothing that is no error',
      isOurs: true,
      async run(subject) {
        const { id, alice } = await subject.conversation();
        const path = `/api/sessions/${id}/stop`;
        for (const body of [undefined, {}, { stream_id: absentId }]) {
          const answer = await subject.call('POST', path, { as: alice, body });
          check(subject.shaped(answer, 200, stopReplySchema), { stopped: [] });
        }
        subject.problem(await subject.call('POST', path, { body: { stream_id: 7 } }), 'invalid_request');
        const stranger = await subject.person();
        subject.problem(await subject.call('POST', path, { as: stranger }), 'session_not_found');
      },
    },
  ],
  'GET /api/sessions/:id/streams/:stream_id': [
    {
      id: 'rest/no-stream',
      title: '204 when there is no such stream; hidden as its session is',
      isOurs: true,
      async run(subject) {
        const { id, alice } = await subject.conversation();
        for (const streamId of [absentId, 'none']) {
          const path = `/api/sessions/${id}/streams/${streamId}`;
          const { status, body } = await subject.call('GET', path, { as: alice });
          check([status, body], [204, '']);
          const stranger = await subject.person();
          subject.problem(await subject.call('GET', path, { as: stranger }), 'session_not_found');
        }
      },
    },
  ],
  'POST /api/sessions/:id/streams': [
    {
      id: 'rest/write-stream',
      title: 'agents alone write streams, as chunks and not as a document',
      isOurs: true,
      async run(subject) {
        const { id, alice } = await subject.conversation();
        const path = `/api/sessions/${id}/streams`;
        const text = { rawBody: 'Hello', headers: { 'content-type': 'text/plain' } };
        subject.problem(await subject.call('POST', path, { ...text, as: alice }), 'forbidden');
        subject.problem(await subject.call('POST', path, text), 'invalid_request');
        const agent = await subject.person('agent');
        subject.problem(await subject.call('POST', path, { ...text, as: agent }), 'session_not_found');
        const named = `${path}?agent_id=${encodeURIComponent(agent)}`;
        subject.problem(await subject.call('POST', named, text), 'not_a_member');
        subject.problem(await subject.call('POST', named, { body: {} }), 'unsupported_media_type');
      },
    },
  ],
};
