import { answerOf, type PhoenixVersion } from '@fleetlm/testkit/phoenix-client';
import { waitUntil } from '@fleetlm/testkit/wait-until';
import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { error, ok, say } from '../../notation.ts';
import { holding } from '../../pattern.ts';

const officialClients = 'packages/server/test/socket/official-clients.test.ts';

/** The cases that an official client can produce, with one version of it. */
export function clientCases(version: PhoenixVersion): readonly Entry[] {
  const cases: readonly Entry[] = [
    {
      id: '5',
      title: 'vsn 1.0.0, with an encoder of its own',
      isOurs: true,
      async run(subject) {
        const { T, alice } = await subject.conversation();
        const options = {
          vsn: '1.0.0',
          encode: (message: object, done: (text: string) => void) => done(JSON.stringify(message)),
          decode: (text: string, done: (message: unknown) => void) => done(JSON.parse(text)),
        };
        const channel = (await subject.client(version, alice, options)).channel(T, {});
        check(await answerOf(channel.join()), ok());
        check(await answerOf(channel.push('send', say('from V1'))), ok());
      },
    },
    {
      id: '17',
      title: 'join, push, broadcast: each finds its handler',
      async run(subject) {
        const { T, alice, bob } = await subject.conversation();
        const heard: unknown[] = [];
        const listener = (await subject.client(version, bob)).channel(T, {});
        listener.on('message', ({ content }) => void heard.push(content));
        check(await answerOf(listener.join()), ok());
        const channel = (await subject.client(version, alice)).channel(T, {});
        check(await answerOf(channel.join()), ok());
        check(await answerOf(channel.push('send', say('hällo 🌍'))), ok());
        await waitUntil(() => heard.length > 0);
        check(heard, [{ text: 'hällo 🌍' }]);
      },
    },
    {
      id: '18',
      title: 'after a join error the client tries again, and comes in once it may',
      async run(subject) {
        const { id, T } = await subject.group();
        const stranger = await subject.person();
        const channel = (await subject.client(version, stranger)).channel(T, {});
        check((await answerOf(channel.join())).status, 'error');
        await subject.call('PUT', `/api/sessions/${id}/members/${stranger}`, { body: {} });
        await waitUntil(() => channel.state === 'joined', { what: 'the rejoin' });
      },
    },
    {
      id: '22',
      title: 'two channels of one topic: the newer one works, and hears everything once',
      async run(subject) {
        const { T, alice } = await subject.conversation();
        const socket = await subject.client(version, alice);
        const [first, second] = [socket.channel(T, {}), socket.channel(T, {})];
        let heard = 0;
        second.on('message', () => {
          heard += 1;
        });
        check(await answerOf(first.join()), ok());
        check(await answerOf(second.join()), ok());
        check(await answerOf(second.push('send', say('once'))), ok());
        check(await answerOf(second.push('history', {})), ok());
        check(heard, 1);
      },
    },
    {
      id: '24',
      title: 'pushes before the join is answered are answered after it',
      async run(subject) {
        const { T, alice } = await subject.conversation();
        const channel = (await subject.client(version, alice)).channel(T, {});
        const joined = answerOf(channel.join());
        const pushed = answerOf(channel.push('send', say('early')));
        check(await joined, ok());
        check(await pushed, ok());
      },
    },
    {
      id: '29',
      title: 'errors reach receive("error")',
      async run(subject) {
        const { T, alice } = await subject.conversation();
        const channel = (await subject.client(version, alice)).channel(T, {});
        check(await answerOf(channel.join()), ok());
        check(await answerOf(channel.push('history', { limit: 0 })), error('invalid_request'));
        check(await answerOf(channel.push('what', {})), error('unknown_event'));
      },
    },
    {
      id: '46',
      title: 'phx_close: the channel is closed, and is not joined again',
      isOurs: true,
      async run(subject) {
        const { id, T, bob } = await subject.group();
        const socket = await subject.client(version, bob);
        const channel = socket.channel(T, {});
        const joins: unknown[] = [];
        check(await answerOf(channel.join().receive('ok', (reply) => void joins.push(reply))), ok());
        await subject.call('DELETE', `/api/sessions/${id}/members/${bob}`);
        await waitUntil(() => channel.state === 'closed', { what: 'the close' });
        // It may come back, and does not by itself: the time to rejoin, 10 ms, is over many times.
        await subject.call('PUT', `/api/sessions/${id}/members/${bob}`, { body: {} });
        const inbox = socket.channel(`inbox:${bob}`, {});
        check(await answerOf(inbox.join()), ok());
        for (let n = 0; n < 20; n += 1) check((await answerOf(inbox.push('x', {}))).status, 'error');
        check([channel.state, joins.length], ['closed', 1]);
      },
    },
    {
      id: '47',
      title: 'phx_error: the channel joins again, other topics go on',
      why: 'needs a fault inside a channel',
      proof: { file: officialClients, test: 'case 47' },
    },
    {
      id: '50',
      title: 'leave, and join again at once',
      async run(subject) {
        const { T, alice } = await subject.conversation();
        const socket = await subject.client(version, alice);
        const channel = socket.channel(T, {});
        check(await answerOf(channel.join()), ok());
        const left = answerOf(channel.leave());
        const again = socket.channel(T, {});
        const joined = answerOf(again.join());
        check((await left).status, 'ok');
        check(await joined, ok());
        check(await answerOf(again.push('history', {})), ok());
      },
    },
    {
      id: '51',
      title: 'close codes 1001, 1012, 4008: the client comes back and rejoins',
      why: 'no call closes a socket from outside',
      proof: { file: officialClients, test: 'the client comes back and rejoins' },
    },
    {
      id: '60',
      title: 'a binary push is refused, and the channel goes on',
      isOurs: true,
      async run(subject) {
        const { T, alice } = await subject.conversation();
        const channel = (await subject.client(version, alice)).channel(T, {});
        check(await answerOf(channel.join()), ok());
        const answer = await answerOf(channel.push('send', new Uint8Array([1, 2]).buffer));
        check(answer, error('binary_unsupported'));
        check(await answerOf(channel.push('history', {})), ok());
      },
    },
  ];
  return [...cases, authToken(version)].map((each) => ({ ...each, id: `phoenix-${version}/${each.id}` }));
}

function authToken(version: PhoenixVersion): Entry {
  const title = 'the option authToken: the token goes as a subprotocol';
  if (version === '1.7.21') return { id: '8', title, why: 'this client has no authToken' };
  return {
    id: '8',
    title,
    needs: 'tokens',
    async run(subject) {
      const { T, alice } = await subject.conversation();
      const authToken = await subject.tokens.tokenOf(alice);
      const socket = await subject.client(version, null, { params: {}, authToken });
      check(await answerOf(socket.channel(T, {}).join()), holding({ status: 'ok' }));
    },
  };
}
