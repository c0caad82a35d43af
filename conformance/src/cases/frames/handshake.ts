import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { holding } from '../../pattern.ts';

/** Cases 1 to 12: what an upgrade request is answered with. */
export const handshakeCases: readonly Entry[] = [
  {
    id: 'frames/1',
    title: 'vsn=2.0.0 is accepted, and the server says nothing by itself',
    async run(subject) {
      const socket = await subject.connect(await subject.person());
      await socket.nothing();
    },
  },
  ...Object.entries({
    'frames/2-vsn-123.1.1': '123.1.1',
    'frames/3-vsn-abc': 'abc',
    'frames/4-vsn-2.1.0': '2.1.0',
    'frames/3-vsn-empty': '',
    'frames/3-vsn-2': '2',
  }).map(
    ([id, vsn]): Entry => ({
      id,
      title: `vsn=${vsn} is refused with 403`,
      run: async (subject) => subject.refused(403, await subject.person(), { vsn }),
    }),
  ),
  {
    id: 'frames/4',
    title: 'vsn=2.0.7 is accepted',
    async run(subject) {
      const socket = await subject.connect(await subject.person(), { vsn: '2.0.7' });
      await socket.nothing();
    },
  },
  {
    id: 'frames/5',
    title: 'without vsn the socket speaks V1',
    isOurs: true,
    async run(subject) {
      const socket = await subject.connect(await subject.person(), { vsn: null });
      socket.C({ topic: 'phoenix', event: 'heartbeat', payload: {}, ref: '1' });
      await socket.S({
        topic: 'phoenix',
        event: 'phx_reply',
        payload: { status: 'ok', response: {} },
        ref: '1',
      });
    },
  },
  {
    id: 'frames/6-none',
    title: 'without a token: an empty 403, no 101',
    needs: 'tokens',
    run: (subject) => subject.refusedAsNobody(403),
  },
  {
    id: 'frames/6-bad',
    title: 'a token that is none, or signed by another key: an empty 403',
    needs: 'tokens',
    async run(subject) {
      const stranger = await subject.tokens.tokenOf('user:a');
      const forged = `${stranger.slice(0, stranger.lastIndexOf('.'))}.${'A'.repeat(43)}`;
      for (const token of ['nonsense', '', forged]) {
        await subject.refusedAsNobody(403, { parameters: { token } });
      }
    },
  },
  {
    id: 'frames/6-expired',
    title: 'an expired token: an empty 403',
    needs: 'tokens',
    async run(subject) {
      const exp = Math.floor(Date.now() / 1_000) - 60;
      const token = await subject.tokens.tokenOf(await subject.person(), { exp });
      await subject.refusedAsNobody(403, { parameters: { token } });
    },
  },
  {
    id: 'frames/6-empty-id',
    title: 'an empty participant_id is not nobody: an empty 403',
    isOurs: true,
    needs: 'no-auth',
    run: (subject) => subject.refusedAsNobody(403, { parameters: { participant_id: '' } }),
  },
  {
    id: 'frames/7',
    title: 'too many handshakes from one address: 429',
    why: 'it would lock out everybody who shares the address',
    proof: { file: 'packages/server/test/socket/rates.test.ts', test: 'refused with 429' },
  },
  {
    id: 'frames/8',
    title: 'the token as a subprotocol, base64 without padding: the server answers phoenix',
    needs: 'tokens',
    async run(subject) {
      const token = await subject.tokens.tokenOf(await subject.person());
      const carrier = `base64url.bearer.phx.${Buffer.from(token).toString('base64').replaceAll('=', '')}`;
      const socket = await subject.connectAsNobody({ protocols: ['phoenix', carrier] });
      check(socket.raw.protocol, 'phoenix');
      await socket.nothing();
    },
  },
  {
    id: 'frames/8-phoenix',
    title: 'of the subprotocols phoenix and another the server answers phoenix',
    async run(subject) {
      const socket = await subject.connect(await subject.person(), { protocols: ['foo', 'phoenix'] });
      check(socket.raw.protocol, 'phoenix');
      await socket.nothing();
    },
  },
  {
    id: 'frames/9',
    title: 'subprotocols without phoenix are refused with 403',
    run: async (subject) => subject.refused(403, await subject.person(), { protocols: ['foo'] }),
  },
  ...['https://evil.example', 'null', 'nonsense'].map(
    (origin): Entry => ({
      id: `frames/10-${origin.replace('https://', '')}`,
      title: `Origin ${origin} is refused with 403`,
      run: async (subject) => subject.refused(403, await subject.person(), { headers: { origin } }),
    }),
  ),
  {
    id: 'frames/10',
    title: 'an Origin that is allowed is accepted, as is none',
    async run(subject) {
      const person = await subject.person();
      const origin = subject.target.settings.origin ?? new URL(subject.target.url).origin;
      const page = await subject.connect(person, { headers: { origin } });
      await page.nothing();
    },
  },
  {
    id: 'frames/11-get',
    title: 'GET without an upgrade: 400 and a message',
    async run({ target }) {
      const answer = await fetch(new URL('/socket/websocket?vsn=2.0.0', target.url));
      check(answer.status, 400);
      check((await answer.text()) === '', false);
    },
  },
  {
    id: 'frames/11-post',
    title: 'POST: 400, and an empty body',
    async run({ target }) {
      const answer = await fetch(new URL('/socket/websocket?vsn=2.0.0', target.url), { method: 'POST' });
      check([answer.status, await answer.text()], [400, '']);
    },
  },
  {
    id: 'frames/12',
    title: 'unknown, nested and malformed parameters do no harm',
    async run(subject) {
      const parameters = { 'a[b]': '1', 'l[0]': '1', 'l[1]': '2', '__proto__[x]': '1', '%E0%A4%A': '' };
      const socket = await subject.connect(await subject.person(), { parameters });
      socket.C([null, '1', 'phoenix', 'heartbeat', {}]);
      await socket.S([null, '1', 'phoenix', 'phx_reply', holding({ status: 'ok' })]);
    },
  },
];
