import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { ok, okEmpty, say, saying } from '../../notation.ts';

/** Cases 39 to 42. */
export const broadcastCases: readonly Entry[] = [
  {
    id: 'frames/39',
    title: 'a broadcast reaches all sockets of its topic, in the same bytes',
    async run(subject) {
      const { T, alice, bob } = await subject.conversation();
      const sockets = [
        await subject.joined(alice, T, '1'),
        await subject.joined(bob, T, '2'),
        await subject.joined(bob, T, '3'),
      ];
      const [sender] = sockets;
      sender!.C(['1', '4', T, 'send', say('to all')]);
      await sender!.S(['1', '4', T, 'phx_reply', ok()]);
      for (const socket of sockets) await socket.S([null, null, T, 'message', saying('to all')]);
      check(new Set(sockets.map(({ raw }) => raw.texts.at(-1))).size, 1);
    },
  },
  {
    id: 'frames/40',
    title: 'a broadcast that leaves out its sender',
    why: 'FleetLM has none: the sender is shown its own message too',
    proof: { file: 'packages/server/test/socket/push.test.ts', test: 'case 40' },
  },
  {
    id: 'frames/41',
    title: 'nothing is delivered after the reply to a leave',
    async run(subject) {
      const { T, alice, bob } = await subject.conversation();
      const [socket, other] = [await subject.joined(alice, T), await subject.joined(bob, T)];
      other.C(['3', '4', T, 'send', say('before')]);
      await socket.S([null, null, T, 'message', saying('before')]);
      socket.C(['3', '5', T, 'phx_leave', {}]);
      await socket.S(['3', '5', T, 'phx_reply', okEmpty], ['3', '3', T, 'phx_close', {}]);
      other.C(['3', '6', T, 'send', say('after')]);
      await other.raw.next(([, , , , payload]) => payload.content?.text === 'after');
      await socket.nothing();
    },
  },
  {
    id: 'frames/42',
    title: 'a socket in two topics gets each frame under its own',
    async run(subject) {
      const [alice, bob] = await subject.pair();
      const topics = [];
      for (let n = 0; n < 2; n += 1) {
        topics.push(`session:${await subject.session({ initiator_id: alice, peer_id: bob })}`);
      }
      const [socket, other] = [await subject.connect(alice), await subject.connect(bob)];
      for (const T of topics) {
        for (const each of [socket, other]) {
          each.C([T, '3', T, 'phx_join', {}]);
          await each.S([T, '3', T, 'phx_reply', ok()]);
        }
      }
      for (const T of topics) {
        other.C([T, '4', T, 'send', say(T)]);
        await socket.S([null, null, T, 'message', saying(T)]);
      }
      await socket.nothing();
    },
  },
];
