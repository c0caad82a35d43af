import type { Entry } from '../../case.ts';
import { error, ok, unmatched } from '../../notation.ts';

/** Cases 57 to 60. */
export const binaryCases: readonly Entry[] = [
  {
    id: 'frames/57',
    title: 'a channel that takes binary pushes answers them',
    why: 'no channel of FleetLM takes them: frames/60',
    proof: { file: 'packages/server/test/socket/push.test.ts', test: 'cases 57, 60' },
  },
  {
    id: 'frames/58',
    title: 'lengths are bytes of UTF-8, not characters',
    async run(subject) {
      const socket = await subject.connect(await subject.person());
      socket.C(binaryPush('1', '5', 'room:äß🌍', 'bin'));
      await socket.S([null, '5', 'room:äß🌍', 'phx_reply', unmatched]);
    },
  },
  ...Object.entries({
    kind: { what: 'an unknown kind', bytes: Uint8Array.of(9, 1, 1, 1, 1, 49, 49, 97, 98) },
    'header-truncated': { what: 'a truncated header', bytes: Uint8Array.of(0, 1, 1) },
    fields: { what: 'truncated fields', bytes: Uint8Array.of(0, 5, 5, 5, 5, 1) },
    nothing: { what: 'nothing', bytes: Uint8Array.of() },
  }).map(
    ([name, { what, bytes }]): Entry => ({
      id: `frames/59-${name}`,
      title: `a binary frame of ${what}: closed with 1002 (1011 in Phoenix)`,
      async run(subject) {
        const socket = await subject.connect(await subject.person());
        socket.C(bytes);
        await socket.closes([1002, 1011]);
      },
    }),
  ),
  {
    id: 'frames/60',
    title: 'a binary push is refused with binary_unsupported, and the topic stays joined',
    isOurs: true,
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const socket = await subject.joined(alice, T);
      socket.C(binaryPush('3', '4', T, 'send'));
      await socket.S(['3', '4', T, 'phx_reply', error('binary_unsupported')]);
      socket.C(['3', '5', T, 'history', {}]);
      await socket.S(['3', '5', T, 'phx_reply', ok()]);
    },
  },
];

/** `00 | four lengths | join_ref ref topic event | data` */
function binaryPush(...fields: readonly [string, string, string, string]): Buffer {
  const header = [0, ...fields.map((field) => Buffer.byteLength(field))];
  return Buffer.concat([Buffer.from(header), Buffer.from(fields.join('')), Buffer.from([1, 2])]);
}
