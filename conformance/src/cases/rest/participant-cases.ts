import { inboxReplySchema, participantReplySchema, participantsReplySchema } from '@fleetlm/protocol';
import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { holding } from '../../pattern.ts';

/** `/api/participants`, by call. */
export const participantCases: Readonly<Record<string, readonly Entry[]>> = {
  'PUT /api/participants/:id': [
    {
      id: 'rest/put-participant',
      title: 'makes a participant, and changes what is named',
      isOurs: true,
      async run(subject) {
        const id = subject.target.newId('user');
        const path = `/api/participants/${id}`;
        const body = { display_name: 'Alice', metadata: { a: 1 }, unknown: 'ignored' };
        const made = subject.shaped(await subject.call('PUT', path, { body }), 200, participantReplySchema);
        check(
          made.participant,
          holding({ id, kind: 'user', status: 'active', display_name: 'Alice', metadata: { a: 1 } }),
        );
        const renamed = await subject.call('PUT', path, { as: id, body: { display_name: null } });
        const { participant } = subject.shaped(renamed, 200, participantReplySchema);
        check(participant, holding({ display_name: null, metadata: { a: 1 } }));
      },
    },
  ],
  'GET /api/participants/:id': [
    {
      id: 'rest/get-participant',
      title: 'a participant sees itself',
      isOurs: true,
      async run(subject) {
        const id = await subject.person('agent');
        const answer = await subject.call('GET', `/api/participants/${id}`, { as: id });
        check(
          subject.shaped(answer, 200, participantReplySchema).participant,
          holding({ id, kind: 'agent' }),
        );
      },
    },
  ],
  'GET /api/participants': [
    {
      id: 'rest/list-participants',
      title: 'the service lists all, page by page; a participant finds itself',
      isOurs: true,
      async run(subject) {
        const [alice] = await subject.pair();
        const first = subject.shaped(
          await subject.call('GET', '/api/participants?kind=user&status=active&limit=1'),
          200,
          participantsReplySchema,
        );
        check(first.participants.length, 1);
        const next = await subject.call('GET', `/api/participants?limit=1&cursor=${first.next_cursor}`);
        subject.shaped(next, 200, participantsReplySchema);
        const own = await subject.call('GET', '/api/participants', { as: alice });
        const { participants } = subject.shaped(own, 200, participantsReplySchema);
        check(
          participants.map(({ id }) => id),
          [alice],
        );
      },
    },
  ],
  'GET /api/participants/:id/inbox': [
    {
      id: 'rest/inbox',
      title: 'the sessions of a participant, the newest first, page by page, with what is unread',
      isOurs: true,
      async run(subject) {
        const older = await subject.conversation();
        const { alice, bob } = older;
        const newer = await subject.session({ initiator_id: alice, peer_id: bob });
        const page = async (query: string) => {
          const answer = await subject.call('GET', `/api/participants/${bob}/inbox?${query}`, { as: bob });
          return subject.shaped(answer, 200, inboxReplySchema);
        };
        const first = await page('limit=1');
        const second = await page(`limit=1&cursor=${encodeURIComponent(first.next_cursor ?? '')}`);
        check(
          [first, second].flatMap(({ conversations }) => conversations.map((each) => each.session_id)),
          [newer, older.id],
        );
        check(second.next_cursor, null);
        // A message moves its session up, though not at once: its place is not looked at.
        await subject.say(older, 'one');
        const { conversations } = await page('');
        check(conversations.find((each) => each.session_id === older.id)?.unread_count, 1);
      },
    },
  ],
};
