import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';

const presence = 'presence is not offered yet: frames/61-66 says what is there instead';
const longPoll = 'long polling is not offered yet: frames/67-70 says what is there instead';

/** Cases 61 to 70: presence and long polling, and what a server does that has neither. */
export const notOfferedCases: readonly Entry[] = [
  {
    id: 'frames/61-66',
    title: 'without presence a join brings no presence_state, and another joiner no presence_diff',
    isOurs: true,
    async run(subject) {
      const { T, alice, bob } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      await subject.joined(bob, T);
      await socket.nothing();
    },
  },
  ...Object.entries({
    61: 'presence_state after every join',
    62: 'presence_diff to all for a second joiner',
    63: 'two devices of one person',
    64: 'an update with phx_ref_prev',
    65: 'a key named __proto__',
    66: 'Presence of both official clients ends with the same list',
  }).map(([number, title]): Entry => ({ id: `frames/${number}`, title, why: presence })),
  {
    id: 'frames/67-70',
    title: 'without long polling /socket/longpoll is 404, so that clients do not wait for it',
    isOurs: true,
    async run({ target }) {
      for (const method of ['GET', 'POST']) {
        const answer = await fetch(new URL('/socket/longpoll?vsn=2.0.0', target.url), { method });
        await answer.text();
        check([method, answer.status], [method, 404]);
      }
    },
  },
  ...Object.entries({
    67: 'the first poll: 410 and a token',
    68: 'an ndjson batch of three',
    69: 'an empty window: 204',
    70: 'an expired token: 410',
  }).map(([number, title]): Entry => ({ id: `frames/${number}`, title, why: longPoll })),
];
