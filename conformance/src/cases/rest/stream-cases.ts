import { stopReplySchema, streamsReplySchema, streamWriteReplySchema } from '@fleetlm/protocol';
import { finishStream } from '@fleetlm/testkit/agent-server';
import type { Entry } from '../../case.ts';
import { beginAnswer, expectAnswer, hello } from '../../live-agent.ts';
import { check } from '../../mismatch.ts';
import type { Subject } from '../../subject.ts';

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
  'GET /api/sessions/:id/streams': [
    {
      id: 'rest/no-streams',
      title: 'an empty list where nobody answers; hidden as its session is',
      isOurs: true,
      async run(subject) {
        const { id, alice } = await subject.conversation();
        const path = `/api/sessions/${id}/streams`;
        for (const as of [alice, undefined]) {
          const listed = await subject.call('GET', path, as === undefined ? {} : { as });
          check(subject.shaped(listed, 200, streamsReplySchema), { streams: [] });
        }
        const stranger = await subject.person();
        subject.problem(await subject.call('GET', path, { as: stranger }), 'session_not_found');
      },
    },
    {
      id: 'rest/streams',
      title: 'lists a running stream, so that it can be read without a socket, and not one that has ended',
      isOurs: true,
      async run(subject) {
        const { id, alice, answer, seen, socket } = await beginAnswer(subject);
        const path = `/api/sessions/${id}/streams`;
        const { index, chunk: _, ...facts } = seen;
        const listed = await subject.call('GET', path, { as: alice });
        check(subject.shaped(listed, 200, streamsReplySchema), {
          streams: [{ ...facts, next_index: index + 1 }],
        });
        finishStream(answer);
        await socket.raw.next((frame) => frame[3] === 'message');
        const after = await subject.call('GET', path, { as: alice });
        check(subject.shaped(after, 200, streamsReplySchema), { streams: [] });
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
    {
      id: 'rest/read-stream',
      title: 'a running stream, from its beginning to its end, as the AI SDK reads it',
      isOurs: true,
      async run(subject) {
        const { id, alice, answer, seen } = await beginAnswer(subject);
        const path = `/api/sessions/${id}/streams/${seen.stream_id}`;
        const { reader, type } = await openEvents(subject, path, alice);
        finishStream(answer);
        check(type, 'text/event-stream');
        const events = (await reader).split('\n\n').filter((event) => event.startsWith('data: '));
        check(events.at(-1), 'data: [DONE]');
        const chunks = events.slice(0, -1).map((event) => JSON.parse(event.slice('data: '.length)));
        check(
          chunks.map((chunk) => chunk.type),
          ['start', 'text-start', 'text-delta', 'text-end', 'finish'],
        );
        check(chunks[0].messageId, seen.message_id);
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
    {
      id: 'rest/written-stream',
      title: 'what an agent streams by itself is shown, ends once, and is stored under its message_id',
      isOurs: true,
      async run(subject) {
        const [alice, agent] = await Promise.all([subject.person(), subject.person('agent')]);
        const id = await subject.session({ initiator_id: alice, peer_id: agent });
        const socket = await subject.joined(alice, `session:${id}`);
        const chunks = [{ type: 'text-start', id: '1' }, hello, { type: 'finish' }];
        const answer = await subject.call('POST', `/api/sessions/${id}/streams`, {
          as: agent,
          rawBody: chunks.map((chunk) => `${JSON.stringify(chunk)}\n`).join(''),
          headers: { 'content-type': 'application/x-ndjson' },
        });
        const written = subject.shaped(answer, 200, streamWriteReplySchema);
        check([written.seq, written.termination], [1, 'finish']);
        const { stream_id, message_id, turn_id } = written;
        const facts = { stream_id, message_id, turn_id, agent_id: agent };
        const start = { type: 'start', messageId: message_id };
        await expectAnswer(socket, { facts, index: 0, chunks: [start, ...chunks] });
      },
    },
  ],
};

/** Opens an event stream; its head has come when this resolves, `reader` has all of it. */
async function openEvents(subject: Subject, path: string, as: string) {
  const headers = await subject.target.identity.headersOf(as);
  const response = await fetch(new URL(path, subject.target.url), { headers });
  check(response.status, 200);
  return { type: response.headers.get('content-type'), reader: response.text() };
}
