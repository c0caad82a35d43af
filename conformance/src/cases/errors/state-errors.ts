import type { ErrorCode } from '@fleetlm/protocol';
import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { error, say } from '../../notation.ts';
import { holding } from '../../pattern.ts';

/** What the state of a session, or its topic, does not allow. */
export const stateErrors = {
  client_id_conflict: [
    {
      id: 'errors/client_id_conflict',
      title: 'a client_id that was used for another message; that message stays',
      isOurs: true,
      async run(subject) {
        const { id, T, alice } = await subject.conversation();
        const path = `/api/sessions/${id}/messages`;
        const append = (text: string) =>
          subject.call('POST', path, { as: alice, body: { content: { text }, client_id: 'k' } });
        check((await append('first')).status, 200);
        subject.problem(await append('second'), 'client_id_conflict');
        const socket = await subject.joined(alice, T);
        socket.C(['3', '4', T, 'send', say('third', { client_id: 'k' })]);
        await socket.S(['3', '4', T, 'phx_reply', error('client_id_conflict')]);
        const { body } = await subject.call('GET', path);
        check(body.messages, [holding({ content: { text: 'first' } })]);
      },
    },
  ],
  session_closed: [
    {
      id: 'errors/session_closed',
      title: 'a message to a session that is closed',
      isOurs: true,
      async run(subject) {
        const { id, T, alice } = await subject.conversation();
        await subject.call('PATCH', `/api/sessions/${id}`, { body: { status: 'closed' } });
        const body = { content: {} };
        const answer = await subject.call('POST', `/api/sessions/${id}/messages`, { as: alice, body });
        subject.problem(answer, 'session_closed');
        const socket = await subject.joined(alice, T);
        socket.C(['3', '4', T, 'send', say('late')]);
        await socket.S(['3', '4', T, 'phx_reply', error('session_closed')]);
      },
    },
  ],
  not_a_member: [
    {
      id: 'errors/not_a_member',
      title: 'the service names somebody who is no member',
      isOurs: true,
      async run(subject) {
        const { id, T } = await subject.conversation();
        const stranger = await subject.person();
        const body = { sender_id: stranger, content: {} };
        const answer = await subject.call('POST', `/api/sessions/${id}/messages`, { body });
        subject.problem(answer, 'not_a_member');
        const socket = await subject.joined(null, T);
        socket.C(['3', '4', T, 'send', say('x', { sender_id: stranger })]);
        await socket.S(['3', '4', T, 'phx_reply', error('not_a_member')]);
      },
    },
  ],
  not_a_group: [
    {
      id: 'errors/not_a_group',
      title: 'members of a direct session do not change',
      isOurs: true,
      async run(subject) {
        const { id, bob } = await subject.conversation();
        const stranger = await subject.person();
        const path = `/api/sessions/${id}/members`;
        subject.problem(await subject.call('PUT', `${path}/${stranger}`, { body: {} }), 'not_a_group');
        subject.problem(await subject.call('DELETE', `${path}/${bob}`, { as: bob }), 'not_a_group');
      },
    },
  ],
  unknown_event: [
    {
      id: 'errors/unknown_event',
      title: 'an event that the topic has not: frames/36, for inboxes here',
      isOurs: true,
      async run(subject) {
        const alice = await subject.person();
        const T = `inbox:${alice}`;
        const socket = await subject.joined(alice, T);
        socket.C(['3', '4', T, 'stop', {}]);
        await socket.S(['3', '4', T, 'phx_reply', error('unknown_event')]);
      },
    },
  ],
  binary_unsupported: [
    {
      id: 'errors/binary_unsupported',
      title: 'a binary join: frames/60 has the push',
      isOurs: true,
      async run(subject) {
        const { T, alice } = await subject.conversation();
        const socket = await subject.connect(alice);
        const fields = ['3', '3', T, 'phx_join'];
        socket.C(Buffer.from([0, ...fields.map(({ length }) => length), ...Buffer.from(fields.join(''))]));
        await socket.S(['3', '3', T, 'phx_reply', error('binary_unsupported')]);
      },
    },
  ],
} satisfies Partial<Record<ErrorCode, readonly Entry[]>>;
