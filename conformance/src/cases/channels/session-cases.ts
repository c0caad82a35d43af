import {
  channelHistoryReplySchema,
  joinReplySchema,
  messageSchema,
  readReplySchema,
  receiptSchema,
  sendReplySchema,
  sessionSchema,
} from '@fleetlm/protocol';
import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { error, ok, say } from '../../notation.ts';
import { holding } from '../../pattern.ts';
import { type Conversation, type Subject, shaped } from '../../subject.ts';
import { stopCase, streamChunkCases } from './stream-cases.ts';

/** `session:<id>`, by event: what a client sends, and what it is sent. */
export const sessionChannelCases: Readonly<Record<string, readonly Entry[]>> = {
  phx_join: [
    {
      id: 'session/join',
      title: 'without last_seq the newest messages, ascending',
      isOurs: true,
      async run(subject) {
        const conversation = await subject.conversation();
        await subject.say(conversation, 'one', 'two', 'three');
        const reply = await join(subject, conversation, { limit: 2 });
        check(reply.session_id, conversation.id);
        check([reply.last_seq, reply.messages.map(({ seq }) => seq)], [3, [2, 3]]);
      },
    },
    {
      id: 'session/join-last-seq',
      title: 'with last_seq all that follows, in order and once, before anything live',
      isOurs: true,
      async run(subject) {
        const conversation = await subject.conversation();
        const { T, alice } = conversation;
        await subject.say(conversation, ...Array.from({ length: 8 }, (_, n) => `old ${n + 1}`));
        const socket = await subject.connect(alice);
        socket.C(['3', '3', T, 'phx_join', { last_seq: 2, limit: 3 }]);
        const joined = await socket.S(['3', '3', T, 'phx_reply', ok()]);
        await subject.say(conversation, 'live');
        const seqs = joined[4].response.messages.map(({ seq }: { seq: number }) => seq);
        while (seqs.length < 7) {
          const message = await socket.raw.next(([, , , event]) => event === 'message');
          seqs.push(message[4].seq);
        }
        check(seqs, [3, 4, 5, 6, 7, 8, 9]);
        await socket.nothing();
      },
    },
  ],
  send: [
    {
      id: 'session/send',
      title: 'stores a message, and says where',
      isOurs: true,
      async run(subject) {
        const { T, alice } = await subject.conversation();
        const socket = await subject.joined(alice, T);
        socket.C(['3', '4', T, 'send', say('hello', { client_id: 'k' })]);
        const reply = await socket.S(['3', '4', T, 'phx_reply', ok()]);
        const { message, deduplicated } = shaped(reply[4].response, sendReplySchema);
        check([message.seq, message.client_id, deduplicated], [1, 'k', false]);
      },
    },
    {
      id: 'session/send-again',
      title: 'the same client_id stores once, and answers with the first seq',
      isOurs: true,
      async run(subject) {
        const { T, alice } = await subject.conversation();
        const socket = await subject.joined(alice, T);
        for (const ref of ['4', '5']) socket.C(['3', ref, T, 'send', say('once', { client_id: 'k' })]);
        for (const ref of ['4', '5']) {
          const reply = await socket.raw.next((frame) => frame[1] === ref);
          const sent = shaped(reply[4].response, sendReplySchema);
          check([sent.message.seq, sent.deduplicated], [1, ref === '5']);
        }
      },
    },
    {
      id: 'session/send-service',
      title: 'the service sends for a member, and must say for whom',
      isOurs: true,
      async run(subject) {
        const { T, bob } = await subject.conversation();
        const socket = await subject.joined(null, T);
        socket.C(['3', '4', T, 'send', say('for bob', { sender_id: bob })]);
        await socket.S(
          ['3', '4', T, 'phx_reply', ok()],
          [null, null, T, 'message', holding({ sender_id: bob })],
        );
        socket.C(['3', '5', T, 'send', say('for nobody')]);
        await socket.S(['3', '5', T, 'phx_reply', error('invalid_request')]);
      },
    },
  ],
  read: [
    {
      id: 'session/read',
      title: 'marks read, and others see the receipt',
      isOurs: true,
      async run(subject) {
        const conversation = await subject.conversation();
        const { T, alice, bob } = conversation;
        await subject.say(conversation, 'one', 'two');
        const [reader, other] = [await subject.joined(bob, T), await subject.joined(alice, T)];
        reader.C(['3', '4', T, 'read', { seq: 1 }]);
        const reply = await reader.raw.next((frame) => frame[1] === '4');
        check(shaped(reply[4].response, readReplySchema), { last_read_seq: 1, unread_count: 1 });
        const receipt = await other.S([null, null, T, 'read', holding({ participant_id: bob })]);
        const { last_read_seq, last_read_at } = shaped(receipt[4], receiptSchema);
        // Null only of somebody who has read nothing.
        check([last_read_seq, last_read_at === null], [1, false]);
      },
    },
  ],
  history: [
    {
      id: 'session/history',
      title: 'a page, ascending, and what lies beyond it',
      isOurs: true,
      async run(subject) {
        const conversation = await subject.conversation();
        const { T, alice } = conversation;
        await subject.say(conversation, 'one', 'two', 'three', 'four');
        const socket = await subject.joined(alice, T);
        for (const [range, seqs, before, after] of [
          [{ limit: 2 }, [3, 4], true, false],
          [{ after_seq: 1, limit: 2 }, [2, 3], true, true],
          [{ before_seq: 3 }, [1, 2], false, true],
        ] as const) {
          socket.C(['3', '4', T, 'history', range]);
          const reply = await socket.S(['3', '4', T, 'phx_reply', ok()]);
          const page = shaped(reply[4].response, channelHistoryReplySchema);
          check(
            page.messages.map(({ seq }) => seq),
            seqs,
          );
          check([page.has_more_before, page.has_more_after], [before, after]);
        }
      },
    },
  ],
  stop: [
    {
      id: 'session/stop-nothing',
      title: 'where no agent does anything nothing is stopped, and that is no error',
      isOurs: true,
      async run(subject) {
        const { T, alice } = await subject.conversation();
        const socket = await subject.joined(alice, T);
        socket.C(['3', '4', T, 'stop', {}]);
        await socket.S(['3', '4', T, 'phx_reply', ok({ stopped: [] })]);
        socket.C(['3', '5', T, 'stop', { stream_id: 'x' }]);
        await socket.S(['3', '5', T, 'phx_reply', error('invalid_request')]);
      },
    },
    stopCase,
  ],
  stream_chunk: streamChunkCases,
  message: [
    {
      id: 'session/message',
      title: 'what REST appends is pushed, as history shows it',
      isOurs: true,
      async run(subject) {
        const conversation = await subject.conversation();
        const { T, bob } = conversation;
        const socket = await subject.joined(bob, T);
        const [message] = await subject.say(conversation, 'hello');
        const pushed = await socket.S([null, null, T, 'message', holding({ seq: 1 })]);
        check(shaped(pushed[4], messageSchema), shaped(message, messageSchema));
      },
    },
  ],
  session: [
    {
      id: 'session/session',
      title: 'the session, when its status, metadata or members have changed',
      isOurs: true,
      async run(subject) {
        const { id, T, bob, carol } = await subject.group();
        const socket = await subject.joined(bob, T);
        await subject.call('PATCH', `/api/sessions/${id}`, { body: { metadata: { a: 1 } } });
        const changed = await socket.S([null, null, T, 'session', holding({ metadata: { a: 1 } })]);
        check(shaped(changed[4], sessionSchema).id, id);
        await subject.call('DELETE', `/api/sessions/${id}/members/${carol}`);
        await socket.S([null, null, T, 'session', holding({ id })]);
      },
    },
  ],
  token_expired: [
    {
      id: 'session/token-expired',
      title: 'when its token ends each topic is told, then the socket is closed with 4001',
      isOurs: true,
      needs: 'tokens',
      async run(subject) {
        const { T, alice } = await subject.conversation();
        const exp = Math.floor(Date.now() / 1_000) + 2;
        const token = await subject.tokens.tokenOf(alice, { exp });
        const socket = await subject.connectAsNobody({ parameters: { token } });
        socket.C(['3', '3', T, 'phx_join', {}]);
        await socket.S(['3', '3', T, 'phx_reply', ok()]);
        const beat = setInterval(() => socket.C([null, 'b', 'phoenix', 'heartbeat', {}]), 1_000);
        // Clocks may be 5 s apart.
        await socket.closes(4001, 10_000).finally(() => clearInterval(beat));
        check(JSON.parse(socket.raw.texts.at(-1)!), ['3', null, T, 'token_expired', {}]);
      },
    },
  ],
};

async function join(subject: Subject, { T, alice }: Conversation, payload: object) {
  const socket = await subject.connect(alice);
  socket.C(['3', '3', T, 'phx_join', payload]);
  const joined = await socket.S(['3', '3', T, 'phx_reply', ok()]);
  return shaped(joined[4].response, joinReplySchema);
}
