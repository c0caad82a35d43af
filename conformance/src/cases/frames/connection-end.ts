import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { ok } from '../../notation.ts';

/** Cases 51 to 56, and what RFC 6455 forbids. */
export const connectionEndCases: readonly Entry[] = [
  {
    id: 'frames/51',
    title: 'a participant is disconnected: 1001',
    why: 'no call does it from outside',
    proof: { file: 'packages/server/test/socket/end.test.ts', test: 'case 51' },
  },
  {
    id: 'frames/51-disabled',
    title: 'a participant is disabled: its sockets are closed with 1008, and the next is refused',
    isOurs: true,
    async run(subject) {
      const { T, alice, bob } = await subject.conversation();
      const [socket, other] = [await subject.joined(alice, T), await subject.joined(bob, T)];
      await subject.call('PUT', `/api/participants/${alice}`, { body: { status: 'disabled' } });
      await socket.closes(1008);
      await subject.refused(403, alice);
      await other.nothing();
    },
  },
  {
    id: 'frames/52',
    title: 'a drain: 1012, and handshakes are refused with 503 meanwhile',
    why: 'the server under test is not stopped',
    proof: { file: 'packages/server/test/socket/end.test.ts', test: 'case 52' },
  },
  {
    id: 'frames/53',
    title: 'a client closes with 1000: answered with 1000, and others go on',
    async run(subject) {
      const { T, alice, bob } = await subject.conversation();
      const [socket, other] = [await subject.joined(alice, T), await subject.joined(bob, T)];
      await socket.raw.close(1000);
      await socket.closes(1000);
      other.C(['3', '4', T, 'history', {}]);
      await other.S(['3', '4', T, 'phx_reply', ok()]);
    },
  },
  {
    id: 'frames/54',
    title: 'a frame over the limit: 1009, as soon as its header says so',
    async run(subject) {
      const { T, alice, bob } = await subject.conversation();
      const [socket, other] = [await subject.joined(alice, T), await subject.joined(bob, T)];
      // A text of 1 TiB is announced; none of it is sent.
      socket.raw.writeBytes(Buffer.from([0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
      await socket.closes(1009);
      await other.nothing();
    },
  },
  ...Object.entries({
    'frames/55': { title: 'invalid UTF-8: 1007', bytes: maskedFrame(0x81, [0xc3, 0x28]), code: 1007 },
    'frames/unmasked': { title: 'a frame without mask: 1002', bytes: Buffer.from([0x81, 0]), code: 1002 },
    'frames/reserved-bit': { title: 'a reserved bit: 1002', bytes: maskedFrame(0xc1, []), code: 1002 },
    'frames/bad-close': {
      title: 'a close frame of one byte: 1002',
      bytes: maskedFrame(0x88, [0]),
      code: 1002,
    },
  }).map(
    ([id, { title, bytes, code }]): Entry => ({
      id,
      title: `${title}, and nobody else is closed`,
      async run(subject) {
        const { T, alice, bob } = await subject.conversation();
        const [socket, other] = [await subject.joined(alice, T), await subject.joined(bob, T)];
        socket.raw.writeBytes(bytes);
        await socket.closes(code);
        await other.nothing();
      },
    }),
  ),
  {
    id: 'frames/fragments',
    title: 'a text in fragments is one frame; a flood of fragments is closed with 1008',
    isOurs: true,
    async run(subject) {
      const socket = await subject.connect(await subject.person());
      const text = '[null,"1","phoenix","heartbeat",{}]';
      const [first, last] = [text.slice(0, 10), text.slice(10)].map((part) => [...Buffer.from(part)]);
      socket.raw.writeBytes(Buffer.concat([maskedFrame(0x01, first!), maskedFrame(0x80, last!)]));
      await socket.S([null, '1', 'phoenix', 'phx_reply', ok({})]);
      const empty = Array.from({ length: 1_000 }, () => maskedFrame(0x00, []));
      socket.raw.writeBytes(Buffer.concat([maskedFrame(0x01, []), ...empty]));
      await socket.closes(1008);
    },
  },
  {
    id: 'frames/56',
    title: 'a reader that stops: closed with 4008, while others read on',
    isOurs: true,
    needs: 'slow',
    async run(subject) {
      const bot = await subject.person('agent');
      const alice = await subject.person();
      const id = await subject.session({ initiator_id: alice, peer_id: bot });
      const T = `session:${id}`;
      const [stalled, reader] = [await subject.joined(alice, T), await subject.joined(alice, T)];
      stalled.raw.pause();
      const beganMs = performance.now();
      // More than any kernel keeps for a reader on top of what the server does.
      const body = { sender_id: bot, content: { text: 'x'.repeat(200_000) } };
      for (let n = 1; n <= 80; n += 1) {
        check((await subject.call('POST', `/api/sessions/${id}/messages`, { body })).status, 200);
        await reader.raw.next(([, , , event, payload]) => event === 'message' && payload.seq === n);
      }
      // Who has not answered the close frame for 5 s is cut off, and may see no more than that.
      const isCutOff = performance.now() - beganMs > 4_500;
      stalled.raw.resume();
      await stalled.closes(isCutOff ? [4008, 1006] : 4008);
      await reader.nothing();
    },
  },
];

/** A client frame with mask 0, below any WebSocket library. */
function maskedFrame(firstByte: number, payload: readonly number[]): Buffer {
  return Buffer.from([firstByte, 0x80 | payload.length, 0, 0, 0, 0, ...payload]);
}
