import type { Entry } from '../../case.ts';
import { okEmpty, unmatched } from '../../notation.ts';

/** Cases 13 to 16: the topic `phoenix`, and silence. */
export const heartbeatCases: readonly Entry[] = [
  {
    id: 'frames/13',
    title: 'a heartbeat is answered',
    async run(subject) {
      const socket = await subject.connect(await subject.person());
      socket.C([null, '1', 'phoenix', 'heartbeat', {}]);
      await socket.S([null, '1', 'phoenix', 'phx_reply', okEmpty]);
    },
  },
  {
    id: 'frames/14',
    title: 'the answer to a heartbeat has no join_ref, whatever the heartbeat had',
    async run(subject) {
      const socket = await subject.connect(await subject.person());
      socket.C(['9', '1', 'phoenix', 'heartbeat', {}]);
      await socket.S([null, '1', 'phoenix', 'phx_reply', okEmpty]);
    },
  },
  ...['x', 'phx_join', 'phx_leave'].map(
    (event): Entry => ({
      id: `frames/15-${event}`,
      title: `${event} on the topic phoenix is unmatched`,
      async run(subject) {
        const socket = await subject.connect(await subject.person());
        socket.C([null, '2', 'phoenix', event, {}]);
        await socket.S([null, '2', 'phoenix', 'phx_reply', unmatched]);
      },
    }),
  ),
  {
    id: 'frames/16',
    title: 'silence for the idle time is closed with 4009 (1002 in Phoenix); any frame puts it off',
    needs: 'slow',
    async run(subject) {
      const { idleMs } = subject.target.settings;
      const [busy, silent] = [await subject.connect(null), await subject.connect(null)];
      const beat = setInterval(() => busy.C([null, 'b', 'nope', 'x', {}]), idleMs / 5);
      try {
        await silent.closes([4009, 1002, 1001], idleMs * 2);
      } finally {
        clearInterval(beat);
      }
      await busy.raw.settle();
    },
  },
];
