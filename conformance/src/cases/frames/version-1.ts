import type { Entry } from '../../case.ts';
import { error, ok, okEmpty, say, saying, unmatched } from '../../notation.ts';

/** Serializer V1: objects, and a join_ref that is read but never sent. */
export const version1Cases: readonly Entry[] = [
  {
    id: 'v1/conversation',
    title: 'join, push, broadcast and leave; V2 reads the same',
    isOurs: true,
    async run(subject) {
      const { T, alice, bob } = await subject.conversation();
      const [old, current] = [await subject.connect(alice, { vsn: '1.0.0' }), await subject.joined(bob, T)];
      old.C({ topic: T, event: 'phx_join', payload: {}, ref: '1', join_ref: '1' });
      await old.S({ topic: T, event: 'phx_reply', payload: ok(), ref: '1' });
      old.C({ topic: T, event: 'send', payload: say('from V1'), ref: '2' });
      await old.S(
        { topic: T, event: 'phx_reply', payload: ok(), ref: '2' },
        { topic: T, event: 'message', payload: saying('from V1'), ref: null },
      );
      await current.S([null, null, T, 'message', saying('from V1')]);
      old.C({ topic: T, event: 'phx_leave', payload: {}, ref: '3' });
      await old.S(
        { topic: T, event: 'phx_reply', payload: okEmpty, ref: '3' },
        { topic: T, event: 'phx_close', payload: {}, ref: '1' },
      );
    },
  },
  {
    id: 'v1/errors',
    title: 'errors as in V2, without join_ref',
    isOurs: true,
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.connect(alice, { vsn: '1.0.0' });
      socket.C({ topic: T, event: 'send', payload: say('x'), ref: '1' });
      await socket.S({ topic: T, event: 'phx_reply', payload: unmatched, ref: '1' });
      socket.C({ topic: T, event: 'phx_join', payload: { limit: 0 }, ref: '2' });
      await socket.S({ topic: T, event: 'phx_reply', payload: error('invalid_request'), ref: '2' });
    },
  },
  ...Object.entries({
    'an array': '["1","1","nope","phx_join",{}]',
    'no topic': '{"event":"x","payload":{},"ref":"1"}',
  }).map(
    ([what, text]): Entry => ({
      id: `v1/34-${what.replace(' ', '-')}`,
      title: `${what}: closed with 1007`,
      isOurs: true,
      async run(subject) {
        const socket = await subject.connect(await subject.person(), { vsn: '1.0.0' });
        socket.C(text);
        await socket.closes([1007, 1011]);
      },
    }),
  ),
];
