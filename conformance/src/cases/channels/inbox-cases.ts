import { inboxSnapshotSchema, inboxUpdateSchema } from '@fleetlm/protocol';
import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { error, ok } from '../../notation.ts';
import { shaped } from '../../subject.ts';

/** `inbox:<participant>`, by event. */
export const inboxChannelCases: Readonly<Record<string, readonly Entry[]>> = {
  phx_join: [
    {
      id: 'inbox/join',
      title: 'the sessions of a participant, with what it has not read',
      isOurs: true,
      async run(subject) {
        const conversation = await subject.conversation();
        await subject.say(conversation, 'one', 'two');
        const T = `inbox:${conversation.bob}`;
        const socket = await subject.connect(conversation.bob);
        socket.C(['3', '3', T, 'phx_join', {}]);
        const joined = await socket.S(['3', '3', T, 'phx_reply', ok()]);
        const { conversations } = shaped(joined[4].response, inboxSnapshotSchema);
        check(
          conversations.map(({ session_id, last_seq, unread_count }) => [session_id, last_seq, unread_count]),
          [[conversation.id, 2, 2]],
        );
      },
    },
    {
      id: 'inbox/no-events',
      title: 'there is nothing to send',
      isOurs: true,
      async run(subject) {
        const alice = await subject.person();
        const T = `inbox:${alice}`;
        const socket = await subject.joined(alice, T);
        socket.C(['3', '4', T, 'send', {}]);
        await socket.S(['3', '4', T, 'phx_reply', error('unknown_event')]);
      },
    },
  ],
  update: [
    {
      id: 'inbox/update',
      title: 'entries that have changed, whole, and sessions that are gone',
      isOurs: true,
      async run(subject) {
        const group = await subject.group();
        const T = `inbox:${group.bob}`;
        const socket = await subject.connect(group.bob);
        socket.C(['3', '3', T, 'phx_join', {}]);
        const joined = await socket.S(['3', '3', T, 'phx_reply', ok()]);
        let { version } = shaped(joined[4].response, inboxSnapshotSchema);
        const nextUpdate = async () => {
          const frame = await socket.raw.next(([, , , event]) => event === 'update');
          const update = shaped(frame[4], inboxUpdateSchema);
          check(update.version > version, true);
          version = update.version;
          return update;
        };
        await subject.say(group, 'news');
        for (;;) {
          const entry = (await nextUpdate()).conversations.find((each) => each.session_id === group.id);
          if (entry?.unread_count === 1) break;
        }
        await subject.call('DELETE', `/api/sessions/${group.id}/members/${group.bob}`);
        for (;;) if ((await nextUpdate()).removed.some((id) => id === group.id)) break;
      },
    },
  ],
  snapshot: [
    {
      id: 'inbox/snapshot',
      title: 'all of it, after something may have been missed',
      why: 'nothing is missed unless the database fails',
      proof: {
        file: 'packages/server/test/inbox/inbox-live.test.ts',
        test: 'a flush that Postgres fails ends in a snapshot of everything',
      },
    },
  ],
};
