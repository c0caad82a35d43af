import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { error, ok, say, saying, unmatched } from '../../notation.ts';

/** Cases 27 to 38. */
export const pushCases: readonly Entry[] = [
  {
    id: 'frames/27',
    title: 'a push on a topic that is not joined is unmatched, and the answer has no join_ref',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.connect(alice);
      socket.C(['3', '5', T, 'send', say('hello')]);
      await socket.S([null, '5', T, 'phx_reply', unmatched]);
    },
  },
  {
    id: 'frames/28',
    title: 'a push is answered with ok',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      socket.C(['3', '4', T, 'send', say('hällo 🌍')]);
      await socket.S(['3', '4', T, 'phx_reply', ok()], [null, null, T, 'message', saying('hällo 🌍')]);
    },
  },
  {
    id: 'frames/29',
    title: 'a push is answered with an error, and the topic stays joined',
    isOurs: true,
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      socket.C(['3', '4', T, 'history', { limit: 0 }]);
      await socket.S(['3', '4', T, 'phx_reply', error('invalid_request')]);
      socket.C(['3', '5', T, 'history', {}]);
      await socket.S(['3', '5', T, 'phx_reply', ok()]);
    },
  },
  {
    id: 'frames/30',
    title: 'join_ref null on a joined topic counts; the answer carries the join_ref of the channel',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      socket.C([null, '4', T, 'history', {}]);
      await socket.S(['3', '4', T, 'phx_reply', ok()]);
    },
  },
  {
    id: 'frames/31',
    title: 'a stale join_ref is dropped without a word, and the next push works',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      socket.C(['2', '4', T, 'history', {}]);
      socket.C(['3', '5', T, 'history', {}]);
      await socket.S(['3', '5', T, 'phx_reply', ok()]);
      await socket.nothing();
    },
  },
  {
    id: 'frames/32',
    title: 'numeric refs are echoed as numbers, and 3 is not "3"',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.connect(alice);
      socket.C([3, 3, T, 'phx_join', {}]);
      await socket.S([3, 3, T, 'phx_reply', ok()]);
      socket.C(['3', 4, T, 'history', {}]);
      socket.C([3, 5, T, 'history', {}]);
      await socket.S([3, 5, T, 'phx_reply', ok()]);
      await socket.nothing();
    },
  },
  {
    id: 'frames/33',
    title: 'a sixth element is ignored',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      socket.C(['3', '4', T, 'history', {}, 'sixth']);
      await socket.S(['3', '4', T, 'phx_reply', ok()]);
    },
  },
  ...Object.entries({
    'four elements': '["3","3","nope","x"]',
    'an object': '{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}',
    'no JSON': 'nonsense',
    'JSON cut short': '["3","3","nope",',
    'an empty text': '',
    null: 'null',
  }).map(
    ([what, text]): Entry => ({
      id: `frames/34-${what.replaceAll(' ', '-')}`,
      title: `${what}: closed with 1007 (1011 in Phoenix), and nobody else is`,
      async run(subject) {
        const { T, alice, bob } = await subject.conversation();
        const [socket, other] = [await subject.joined(alice, T), await subject.joined(bob, T)];
        socket.C(text);
        await socket.closes([1007, 1011]);
        await other.nothing();
      },
    }),
  ),
  ...[[], 'text', null, 5].map(
    (payload): Entry => ({
      id: `frames/35-${JSON.stringify(payload)}`,
      title: `the payload ${JSON.stringify(payload)} is refused, and nothing crashes`,
      isOurs: true,
      async run(subject) {
        const { T, alice } = await subject.conversation();
        const socket = await subject.joined(alice, T);
        socket.C(['3', '4', T, 'history', payload]);
        await socket.S(['3', '4', T, 'phx_reply', error('invalid_request')]);
        socket.C(['5', '5', T, 'phx_join', payload]);
        await socket.S(['5', '5', T, 'phx_reply', error('invalid_request')]);
        socket.C(['3', '6', T, 'history', {}]);
        await socket.S(['3', '6', T, 'phx_reply', ok()]);
      },
    }),
  ),
  {
    id: 'frames/36',
    title: 'an unknown event is answered with unknown_event, and the topic stays joined',
    isOurs: true,
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      socket.C(['3', '4', T, 'what', {}]);
      await socket.S(['3', '4', T, 'phx_reply', error('unknown_event')]);
      socket.C(['3', '5', T, 'history', {}]);
      await socket.S(['3', '5', T, 'phx_reply', ok()]);
    },
  },
  {
    id: 'frames/37',
    title: 'a push with ref null is taken, and its answer has ref null',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      socket.C(['3', null, T, 'history', {}]);
      await socket.S(['3', null, T, 'phx_reply', ok()]);
    },
  },
  {
    id: 'frames/38',
    title: 'pushes on one topic are answered in order',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      const refs = Array.from({ length: 20 }, (_, n) => String(n + 4));
      for (const ref of refs) {
        const isSend = Number(ref) % 3 === 0;
        socket.C(['3', ref, T, isSend ? 'send' : 'history', isSend ? say(ref) : {}]);
      }
      const answered: unknown[] = [];
      while (answered.length < refs.length) {
        const frame = await socket.raw.next(([, , , event]) => event === 'phx_reply');
        answered.push(frame[1]);
      }
      check(answered, refs);
    },
  },
  {
    id: 'frames/38-refused',
    title: 'a push that is refused is answered in its turn too, whatever is wrong with it',
    isOurs: true,
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      socket.C(['3', '4', T, 'send', say('one')]);
      socket.C(['3', '5', T, 'history', []]);
      socket.C(['3', '6', T, 'send', say('two')]);
      socket.C(['3', '7', T, 7, {}]);
      socket.C(['3', '8', T, 'send', say('three')]);
      socket.C(['9', '9', T, 'phx_join', 'text']);
      for (const answer of [
        ['3', '4', T, 'phx_reply', ok()],
        ['3', '5', T, 'phx_reply', error('invalid_request')],
        ['3', '6', T, 'phx_reply', ok()],
        ['3', '7', T, 'phx_reply', error('invalid_request')],
        ['3', '8', T, 'phx_reply', ok()],
        ['9', '9', T, 'phx_reply', error('invalid_request')],
      ]) {
        check(await socket.raw.next(([, , , event]) => event === 'phx_reply'), answer);
      }
    },
  },
  {
    id: 'frames/38-topics',
    title: 'a topic that is slow holds up no other',
    why: 'needs a channel that waits for the test',
    proof: { file: 'packages/server/test/socket/push.test.ts', test: 'another does not wait' },
  },
];
