import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { ok, okEmpty, say, unmatched } from '../../notation.ts';

/** Cases 43 to 50: how a topic ends. */
export const leaveCases: readonly Entry[] = [
  {
    id: 'frames/43',
    title: 'a leave: its reply, then phx_close with the join_ref as ref',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      socket.C(['3', '6', T, 'phx_leave', {}]);
      await socket.S(['3', '6', T, 'phx_reply', okEmpty], ['3', '3', T, 'phx_close', {}]);
    },
  },
  {
    id: 'frames/43-null',
    title: 'a leave without join_ref counts too',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      socket.C([null, '6', T, 'phx_leave', {}]);
      await socket.S(['3', '6', T, 'phx_reply', okEmpty], ['3', '3', T, 'phx_close', {}]);
    },
  },
  {
    id: 'frames/44',
    title: 'a leave of a topic that is not joined: an ok reply, and no close',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.connect(alice);
      socket.C(['3', '6', T, 'phx_leave', {}]);
      await socket.S(['3', '6', T, 'phx_reply', okEmpty]);
      await socket.nothing();
    },
  },
  {
    id: 'frames/45',
    title: 'a leave with a stale join_ref: nothing at all',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      socket.C(['2', '6', T, 'phx_leave', {}]);
      await socket.nothing();
      socket.C(['3', '7', T, 'history', {}]);
      await socket.S(['3', '7', T, 'phx_reply', ok()]);
    },
  },
  {
    id: 'frames/46',
    title: 'who is removed gets phx_close',
    isOurs: true,
    async run(subject) {
      const { id, T, bob } = await subject.group();
      const socket = await subject.joined(bob, T);
      const { status } = await subject.call('DELETE', `/api/sessions/${id}/members/${bob}`);
      check(status, 200);
      await socket.S(['3', '3', T, 'phx_close', {}]);
      await socket.nothing();
    },
  },
  {
    id: 'frames/47',
    title: 'a fault of a channel: phx_error on its topic alone',
    why: 'needs a fault inside a channel',
    proof: { file: 'packages/server/test/socket/end.test.ts', test: 'case 47' },
  },
  {
    id: 'frames/48',
    title: 'a push after the close is unmatched',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      socket.C(['3', '6', T, 'phx_leave', {}]);
      socket.C(['3', '7', T, 'send', say('late')]);
      await socket.S(
        ['3', '6', T, 'phx_reply', okEmpty],
        ['3', '3', T, 'phx_close', {}],
        [null, '7', T, 'phx_reply', unmatched],
      );
    },
  },
  {
    id: 'frames/49',
    title: 'a channel that stops with a reply: the reply before phx_close',
    why: 'needs a channel that stops by itself',
    proof: { file: 'packages/server/test/socket/end.test.ts', test: 'case 49' },
  },
  {
    id: 'frames/50',
    title: 'a leave and a join, both in flight: reply, close, reply',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      socket.C(['3', '6', T, 'phx_leave', {}]);
      socket.C(['7', '7', T, 'phx_join', {}]);
      await socket.S(
        ['3', '6', T, 'phx_reply', okEmpty],
        ['3', '3', T, 'phx_close', {}],
        ['7', '7', T, 'phx_reply', ok()],
      );
    },
  },
];
