import { membersReplySchema, sessionReplySchema, sessionsReplySchema } from '@fleetlm/protocol';
import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { holding } from '../../pattern.ts';

/** `/api/sessions` and their members, by call. */
export const sessionCases: Readonly<Record<string, readonly Entry[]>> = {
  'POST /api/sessions': [
    {
      id: 'rest/start-direct',
      title: 'starts a direct session: of two people, or with an agent',
      isOurs: true,
      async run(subject) {
        const [alice, bob, bot] = [
          await subject.person(),
          await subject.person(),
          await subject.person('agent'),
        ];
        for (const [peer, kind, agent] of [
          [bob, 'human_dm', null],
          [bot, 'agent_dm', bot],
        ] as const) {
          const body = { initiator_id: alice, peer_id: peer, metadata: { a: 1 } };
          const answer = await subject.call('POST', '/api/sessions', { as: alice, body });
          const { session } = subject.shaped(answer, 201, sessionReplySchema);
          check(
            session,
            holding({
              kind,
              status: 'open',
              agent_id: agent,
              initiator_id: alice,
              peer_id: peer,
              metadata: { a: 1 },
              last_seq: 0,
              last_message_id: null,
            }),
          );
        }
      },
    },
    {
      id: 'rest/start-group',
      title: 'starts a group',
      isOurs: true,
      async run(subject) {
        const [alice, bob] = await subject.pair();
        const body = { kind: 'group', initiator_id: alice, member_ids: [bob] };
        const answer = await subject.call('POST', '/api/sessions', { as: alice, body });
        const { session } = subject.shaped(answer, 201, sessionReplySchema);
        check(session, holding({ kind: 'group', peer_id: null, agent_id: null }));
      },
    },
  ],
  'GET /api/sessions': [
    {
      id: 'rest/list-sessions',
      title: 'newest first, page by page; archived ones only when asked for',
      isOurs: true,
      async run(subject) {
        const first = await subject.conversation();
        const { alice } = first;
        const second = await subject.session({ initiator_id: alice, peer_id: first.bob });
        const list = async (query: string) =>
          subject.shaped(
            await subject.call('GET', `/api/sessions?participant_id=${alice}&${query}`),
            200,
            sessionsReplySchema,
          );
        const page = await list('limit=1&kind=human_dm');
        check(
          page.sessions.map(({ id }) => id),
          [second],
        );
        const rest = await list(`limit=1&cursor=${encodeURIComponent(page.next_cursor ?? '')}`);
        check([rest.sessions.map(({ id }) => id), rest.next_cursor], [[first.id], null]);
        await subject.call('PATCH', `/api/sessions/${second}`, { body: { status: 'archived' } });
        check((await list('')).sessions.length, 1);
        check((await list('status=archived')).sessions.length, 1);
      },
    },
  ],
  'GET /api/sessions/:id': [
    {
      id: 'rest/get-session',
      title: 'a member sees its session, and what has happened in it',
      isOurs: true,
      async run(subject) {
        const conversation = await subject.conversation();
        const [message] = await subject.say(conversation, 'hello');
        const { id, bob } = conversation;
        const answer = await subject.call('GET', `/api/sessions/${id}`, { as: bob });
        const { session } = subject.shaped(answer, 200, sessionReplySchema);
        check(session, holding({ id, last_seq: 1, last_message_id: message!.id }));
      },
    },
  ],
  'PATCH /api/sessions/:id': [
    {
      id: 'rest/change-session',
      title: 'closes and reopens; metadata is replaced',
      isOurs: true,
      async run(subject) {
        const { id, alice } = await subject.conversation();
        for (const body of [
          { metadata: { a: 1 } },
          { metadata: { b: 2 } },
          { status: 'closed' },
          { status: 'open' },
        ]) {
          const answer = await subject.call('PATCH', `/api/sessions/${id}`, { as: alice, body });
          check(subject.shaped(answer, 200, sessionReplySchema).session, holding(body));
        }
      },
    },
  ],
  'GET /api/sessions/:id/members': [
    {
      id: 'rest/list-members',
      title: 'who is in it, and how far each has read',
      isOurs: true,
      async run(subject) {
        const { id, alice, bob, carol } = await subject.group();
        const answer = await subject.call('GET', `/api/sessions/${id}/members`, { as: carol });
        const { members } = subject.shaped(answer, 200, membersReplySchema);
        check(
          members.map(({ participant_id }) => participant_id as string).sort(),
          [alice, bob, carol].sort(),
        );
        check(members.find(({ role }) => role === 'initiator')?.participant_id, alice);
      },
    },
  ],
  'PUT /api/sessions/:id/members/:participant_id': [
    {
      id: 'rest/add-member',
      title: 'the initiator adds somebody, who then sees the session',
      isOurs: true,
      async run(subject) {
        const { id, alice } = await subject.group();
        const bot = await subject.person('agent');
        const path = `/api/sessions/${id}/members/${bot}`;
        const answer = await subject.call('PUT', path, { as: alice, body: { wake: 'always' } });
        const { members } = subject.shaped(answer, 200, membersReplySchema);
        check(members.find(({ participant_id }) => participant_id === bot)?.wake, 'always');
        check((await subject.call('GET', `/api/sessions/${id}`, { as: bot })).status, 200);
      },
    },
  ],
  'DELETE /api/sessions/:id/members/:participant_id': [
    {
      id: 'rest/remove-member',
      title: 'anyone leaves by itself; the session is then absent to it',
      isOurs: true,
      async run(subject) {
        const { id, bob } = await subject.group();
        const answer = await subject.call('DELETE', `/api/sessions/${id}/members/${bob}`, { as: bob });
        check(subject.shaped(answer, 200, membersReplySchema).members.length, 2);
        subject.problem(await subject.call('GET', `/api/sessions/${id}`, { as: bob }), 'session_not_found');
      },
    },
  ],
};
