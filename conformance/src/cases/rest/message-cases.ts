import { appendReplySchema, historyReplySchema, sessionReplySchema } from '@fleetlm/protocol';
import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { holding } from '../../pattern.ts';

/** The messages of a session, and how far they are read, by call. */
export const messageCases: Readonly<Record<string, readonly Entry[]>> = {
  'POST /api/sessions/:id/messages': [
    {
      id: 'rest/append',
      title: 'appends as oneself, or for a member; seq goes up by one',
      isOurs: true,
      async run(subject) {
        const { id, alice, bob } = await subject.conversation();
        const path = `/api/sessions/${id}/messages`;
        const content = { text: 'hällo 🌍', list: [1, null, 0.5], deep: { a: {} } };
        const own = await subject.call('POST', path, { as: alice, body: { content, metadata: { m: 1 } } });
        const { message, deduplicated } = subject.shaped(own, 200, appendReplySchema);
        check(deduplicated, false);
        check(
          message,
          holding({ session_id: id, seq: 1, sender_id: alice, kind: 'text', content, metadata: { m: 1 } }),
        );
        const body = { sender_id: bob, kind: 'tool_call', content: {} };
        const named = subject.shaped(await subject.call('POST', path, { body }), 200, appendReplySchema);
        check(named.message, holding({ seq: 2, sender_id: bob, kind: 'tool_call', metadata: {} }));
      },
    },
    {
      id: 'rest/append-again',
      title: 'the same client_id stores once, also when both come at the same time',
      isOurs: true,
      async run(subject) {
        const { id, alice } = await subject.conversation();
        const body = { content: { text: 'once' }, client_id: 'k' };
        const answers = await Promise.all(
          [1, 2, 3].map(() => subject.call('POST', `/api/sessions/${id}/messages`, { as: alice, body })),
        );
        const replies = answers.map((answer) => subject.shaped(answer, 200, appendReplySchema));
        check(new Set(replies.map(({ message }) => message.id)).size, 1);
        check(replies.filter(({ deduplicated }) => !deduplicated).length, 1);
      },
    },
    {
      id: 'rest/append-system',
      title: 'the service sends system messages, without membership',
      isOurs: true,
      async run(subject) {
        const { id } = await subject.conversation();
        const body = { kind: 'system', content: { text: 'x' } };
        const answer = await subject.call('POST', `/api/sessions/${id}/messages`, { body });
        const { message } = subject.shaped(answer, 200, appendReplySchema);
        check(message, holding({ kind: 'system', sender_id: 'system:fleetlm' }));
      },
    },
  ],
  'GET /api/sessions/:id/messages': [
    {
      id: 'rest/history',
      title: 'pages by after_seq, before_seq and after_id, ascending',
      isOurs: true,
      async run(subject) {
        const conversation = await subject.conversation();
        const messages = await subject.say(conversation, 'one', 'two', 'three', 'four', 'five');
        for (const [query, seqs, before, after] of [
          ['limit=2', [4, 5], true, false],
          ['after_seq=0&limit=2', [1, 2], false, true],
          ['after_seq=2&limit=2', [3, 4], true, true],
          ['before_seq=3&limit=200', [1, 2], false, true],
          [`after_id=${messages[2]!.id}`, [4, 5], true, false],
          ['after_seq=5', [], true, false],
        ] as const) {
          const path = `/api/sessions/${conversation.id}/messages?${query}`;
          const answer = await subject.call('GET', path, { as: conversation.bob });
          const page = subject.shaped(answer, 200, historyReplySchema);
          check({ query, seqs: page.messages.map(({ seq }) => seq) }, { query, seqs });
          check(page, holding({ has_more_before: before, has_more_after: after, last_seq: 5 }));
        }
      },
    },
  ],
  'POST /api/sessions/:id/read': [
    {
      id: 'rest/read',
      title: 'marks read up to a seq, a message or the end, and never back',
      isOurs: true,
      async run(subject) {
        const conversation = await subject.conversation();
        const { id, bob } = conversation;
        const messages = await subject.say(conversation, 'one', 'two', 'three');
        for (const [body, upTo] of [
          [{ seq: 1 }, 0],
          [{ message_id: messages[1]!.id }, 1],
          [{ seq: 1 }, 1],
          [{}, 2],
        ] as const) {
          const answer = await subject.call('POST', `/api/sessions/${id}/read`, { as: bob, body });
          const { session } = subject.shaped(answer, 200, sessionReplySchema);
          check(session.peer_last_read_id, messages[upTo]!.id);
        }
      },
    },
  ],
};
