import type { Entry } from '../../case.ts';
import { error, ok, okEmpty, say, saying, unmatched } from '../../notation.ts';
import { anything, holding, oneOf } from '../../pattern.ts';

/** Cases 17 to 26. */
export const joinCases: readonly Entry[] = [
  {
    id: 'frames/17',
    title: 'the reply to a join echoes join_ref and ref',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.connect(alice);
      socket.C(['3', '3', T, 'phx_join', {}]);
      await socket.S(['3', '3', T, 'phx_reply', ok()]);
      socket.C(['4', '5', 'nope', 'x', {}]);
      await socket.S([null, '5', 'nope', 'phx_reply', unmatched]);
    },
  },
  {
    id: 'frames/18',
    title: 'a join that is not allowed is refused: no phx_close, and nothing is joined',
    async run(subject) {
      const { T } = await subject.conversation();
      const socket = await subject.connect(await subject.person());
      socket.C(['3', '3', T, 'phx_join', {}]);
      await socket.S([
        '3',
        '3',
        T,
        'phx_reply',
        { status: 'error', response: holding({ reason: anything }) },
      ]);
      socket.C(['3', '4', T, 'send', say('hello')]);
      await socket.S([null, '4', T, 'phx_reply', unmatched]);
      await socket.nothing();
    },
  },
  {
    id: 'frames/19',
    title: 'a topic that no channel serves is unmatched, and the answer has no join_ref',
    async run(subject) {
      const socket = await subject.connect(await subject.person());
      socket.C(['3', '3', 'nope', 'phx_join', {}]);
      await socket.S([null, '3', 'nope', 'phx_reply', unmatched]);
    },
  },
  {
    id: 'frames/20',
    title: 'a join that throws: "join crashed", and the socket stays open',
    why: 'needs a fault inside a channel',
    proof: { file: 'packages/server/test/socket/join.test.ts', test: 'case 20' },
  },
  {
    id: 'frames/21',
    title: 'one topic too many is refused, until another is left',
    async run(subject) {
      const { maxTopics } = subject.target.settings;
      const [alice, bob] = await subject.pair();
      const topics: string[] = [];
      for (let n = 0; n <= maxTopics; n += 1) {
        topics.push(`session:${await subject.session({ initiator_id: alice, peer_id: bob })}`);
      }
      const [first, last] = [topics[0]!, topics.at(-1)!];
      const socket = await subject.connect(alice);
      for (const T of topics.slice(0, -1)) {
        socket.C(['3', '3', T, 'phx_join', {}]);
        await socket.S(['3', '3', T, 'phx_reply', ok()]);
      }
      socket.C(['4', '4', last, 'phx_join', {}]);
      const tooMany = { status: 'error', response: { reason: 'too many channels joined' } };
      await socket.S(['4', '4', last, 'phx_reply', tooMany]);
      socket.C(['3', '5', first, 'phx_leave', {}]);
      await socket.S(['3', '5', first, 'phx_reply', okEmpty], ['3', '3', first, 'phx_close', {}]);
      socket.C(['6', '6', last, 'phx_join', {}]);
      await socket.S(['6', '6', last, 'phx_reply', ok()]);
    },
  },
  {
    id: 'frames/22',
    title: 'a second join of a topic: its reply, then phx_close of the first; broadcasts come once',
    async run(subject) {
      const { T, alice, bob } = await subject.conversation();
      const [socket, other] = [await subject.connect(alice), await subject.joined(bob, T)];
      socket.C(['3', '3', T, 'phx_join', {}]);
      await socket.S(['3', '3', T, 'phx_reply', ok()]);
      socket.C(['7', '7', T, 'phx_join', {}]);
      await socket.S(['7', '7', T, 'phx_reply', ok()], ['3', '3', T, 'phx_close', {}]);
      other.C(['3', '4', T, 'send', say('once')]);
      await other.S(['3', '4', T, 'phx_reply', ok()]);
      await socket.S([oneOf(null, '7'), null, T, 'message', saying('once')]);
      await socket.nothing();
    },
  },
  {
    id: 'frames/22-refused',
    title: 'a second join that is refused closes the first all the same',
    isOurs: true,
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      socket.C(['7', '7', T, 'phx_join', { limit: 0 }]);
      await socket.S(['7', '7', T, 'phx_reply', error('invalid_request')], ['3', '3', T, 'phx_close', {}]);
      socket.C(['3', '8', T, 'history', {}]);
      await socket.S([null, '8', T, 'phx_reply', unmatched]);
    },
  },
  {
    id: 'frames/23',
    title: 'a join without join_ref: later answers carry its ref',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.connect(alice);
      socket.C([null, '3', T, 'phx_join', {}]);
      await socket.S([null, '3', T, 'phx_reply', ok()]);
      socket.C(['3', '4', T, 'history', {}]);
      await socket.S(['3', '4', T, 'phx_reply', ok()]);
      socket.C([null, '5', T, 'history', {}]);
      await socket.S(['3', '5', T, 'phx_reply', ok()]);
    },
  },
  {
    id: 'frames/24',
    title: 'a join and a push back to back: both are answered, the join first',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.connect(alice);
      socket.C(['3', '3', T, 'phx_join', {}]);
      socket.C(['3', '4', T, 'history', {}]);
      socket.C(['3', '5', T, 'read', {}]);
      await socket.S(
        ['3', '3', T, 'phx_reply', ok()],
        ['3', '4', T, 'phx_reply', ok()],
        ['3', '5', T, 'phx_reply', ok()],
      );
    },
  },
  {
    id: 'frames/25',
    title: 'a broadcast that races a join never precedes its reply, and none is lost or doubled',
    async run(subject) {
      const { T, alice, bob } = await subject.conversation();
      const [socket, other] = [await subject.connect(alice), await subject.joined(bob, T)];
      for (let round = 0; round < 10; round += 1) {
        const [joinRef, ref] = [`j${round}`, `r${round}`];
        other.C(['3', ref, T, 'send', say(ref)]);
        socket.C([joinRef, joinRef, T, 'phx_join', {}]);
        const joined = await socket.S([joinRef, joinRef, T, 'phx_reply', ok()]);
        // It is in the reply, or follows.
        const { messages } = joined[4].response;
        if (messages.length <= round) {
          await socket.S([oneOf(null, joinRef), null, T, 'message', saying(ref)]);
        }
        socket.C([joinRef, 'l', T, 'phx_leave', {}]);
        await socket.S([joinRef, 'l', T, 'phx_reply', okEmpty], [joinRef, joinRef, T, 'phx_close', {}]);
      }
    },
  },
  ...[5, null, true].map(
    (topic): Entry => ({
      id: `frames/26-${topic}`,
      title: `the topic ${topic} is unmatched, and echoed as it is`,
      async run(subject) {
        const socket = await subject.connect(await subject.person());
        socket.C(['3', '3', topic, 'phx_join', {}]);
        await socket.S([null, '3', topic, 'phx_reply', unmatched]);
      },
    }),
  ),
];
