import type { ErrorCode } from '@fleetlm/protocol';
import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { error, say } from '../../notation.ts';

/** An id that no session has. */
const absentId = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

/** What a caller may not do, or see. */
export const accessErrors = {
  unauthorized: [
    {
      id: 'errors/unauthorized',
      title: 'no token, or a bad one: always the same body',
      isOurs: true,
      needs: 'tokens',
      async run(subject) {
        const expired = await subject.tokens.tokenOf('user:a', { exp: 1 });
        const details = [];
        for (const authorization of ['', 'Bearer nonsense', `Bearer ${expired}`, 'Basic YTpi']) {
          const answer = await subject.callAsNobody('GET', '/api/sessions', { headers: { authorization } });
          details.push(subject.problem(answer, 'unauthorized').detail);
          check(answer.headers.get('www-authenticate'), 'Bearer');
        }
        check(new Set(details).size, 1);
      },
    },
    {
      id: 'errors/unauthorized-empty-id',
      title: 'an empty x-participant-id is not nobody',
      isOurs: true,
      needs: 'no-auth',
      async run(subject) {
        const headers = { 'x-participant-id': '' };
        subject.problem(await subject.callAsNobody('GET', '/api/sessions', { headers }), 'unauthorized');
      },
    },
  ],
  forbidden: [
    {
      id: 'errors/forbidden',
      title: 'what a participant may not do for somebody else',
      isOurs: true,
      async run(subject) {
        const { id, T, alice, bob } = await subject.conversation();
        const body = { sender_id: alice, content: {} };
        const calls = [
          subject.call('PUT', `/api/participants/${alice}`, { as: bob, body: {} }),
          subject.call('POST', '/api/sessions', { as: bob, body: { initiator_id: alice, peer_id: bob } }),
          subject.call('POST', `/api/sessions/${id}/messages`, { as: bob, body }),
          subject.call('PATCH', `/api/sessions/${id}`, { as: bob, body: { status: 'closed' } }),
        ];
        for (const answer of await Promise.all(calls)) subject.problem(answer, 'forbidden');
        const socket = await subject.joined(bob, T);
        socket.C(['3', '4', T, 'send', say('x', { sender_id: alice })]);
        await socket.S(['3', '4', T, 'phx_reply', error('forbidden')]);
      },
    },
    {
      id: 'errors/forbidden-origin',
      title: 'a page of a foreign Origin',
      isOurs: true,
      async run(subject) {
        const headers = { origin: 'https://evil.example' };
        subject.problem(await subject.call('GET', '/api/sessions', { headers }), 'forbidden');
      },
    },
  ],
  participant_disabled: [
    {
      id: 'errors/participant_disabled',
      title: 'a participant that is disabled',
      isOurs: true,
      async run(subject) {
        const alice = await subject.person();
        await subject.call('PUT', `/api/participants/${alice}`, { body: { status: 'disabled' } });
        subject.problem(await subject.call('GET', '/api/sessions', { as: alice }), 'participant_disabled');
      },
    },
  ],
  not_found: [
    {
      id: 'errors/not_found',
      title: 'a path, or a method of a path, that there is not',
      isOurs: true,
      async run(subject) {
        for (const [method, path] of [
          ['GET', '/api/nothing'],
          ['DELETE', '/api/sessions'],
          ['GET', '/nothing'],
        ] as const) {
          subject.problem(await subject.call(method, path), 'not_found');
        }
      },
    },
  ],
  session_not_found: [
    {
      id: 'errors/session_not_found',
      title: 'a session that is absent and one that is hidden look alike',
      isOurs: true,
      async run(subject) {
        const { id } = await subject.conversation();
        const stranger = await subject.person();
        const told = [];
        for (const each of [id, absentId, 'no-id']) {
          const answer = await subject.call('GET', `/api/sessions/${each}`, { as: stranger });
          told.push(subject.problem(answer, 'session_not_found').detail);
          const socket = await subject.connect(stranger);
          socket.C(['3', '3', `session:${each}`, 'phx_join', {}]);
          const reply = ['3', '3', `session:${each}`, 'phx_reply', error('session_not_found')];
          told.push((await socket.S(reply))[4].response.message);
        }
        check(new Set(told).size, 1);
      },
    },
  ],
  participant_not_found: [
    {
      id: 'errors/participant_not_found',
      title: 'a participant that is absent and one that is somebody else look alike',
      isOurs: true,
      async run(subject) {
        const [alice, bob] = await subject.pair();
        for (const id of [alice, subject.target.newId('user')]) {
          for (const path of [`/api/participants/${id}`, `/api/participants/${id}/inbox`]) {
            subject.problem(await subject.call('GET', path, { as: bob }), 'participant_not_found');
          }
        }
        const T = `inbox:${alice}`;
        const socket = await subject.connect(bob);
        socket.C(['3', '3', T, 'phx_join', {}]);
        await socket.S(['3', '3', T, 'phx_reply', error('participant_not_found')]);
      },
    },
  ],
} satisfies Partial<Record<ErrorCode, readonly Entry[]>>;
