import { joinReplySchema } from '@fleetlm/protocol';
import { answerText, finishStream, writeDelta } from '@fleetlm/testkit/agent-server';
import type { Case } from '../../case.ts';
import { ask, beginAnswer, expectAnswer, hello, nextChunk, startAgentSession } from '../../live-agent.ts';
import { check } from '../../mismatch.ts';
import { ok } from '../../notation.ts';
import { shaped } from '../../subject.ts';

const finished = [{ type: 'text-end' }, { type: 'finish' }];

export const streamChunkCases: readonly Case[] = [
  {
    id: 'session/stream-chunk',
    title: 'the chunks of an answer, without gaps; one terminal chunk, and then its message',
    isOurs: true,
    async run(subject) {
      const session = await startAgentSession(subject);
      session.agent.answer = answerText('Hello');
      await ask(subject, session);
      const first = await nextChunk(session.socket);
      check([first.agent_id, first.index, first.chunk.type], [session.bob, 0, 'start']);
      const chunks = [{ type: 'text-start' }, hello, ...finished];
      await expectAnswer(session.socket, { facts: first, index: 1, chunks });
    },
  },
  {
    id: 'session/stream-join',
    title: 'who joins in its midst is told what was said, and gets the chunks from next_index on',
    isOurs: true,
    async run(subject) {
      const { T, alice, answer, seen } = await beginAnswer(subject);
      const late = await subject.connect(alice);
      late.C(['3', '3', T, 'phx_join', {}]);
      const joined = await late.S(['3', '3', T, 'phx_reply', ok()]);
      const [stream] = shaped(joined[4].response, joinReplySchema).streams;
      check([stream?.stream_id, stream?.next_index], [seen.stream_id, seen.index + 1]);
      check(
        stream?.chunks.some(({ delta }) => delta === hello.delta),
        true,
      );
      writeDelta(answer, ', you');
      finishStream(answer);
      const chunks = [{ type: 'text-delta', delta: ', you' }, ...finished];
      await expectAnswer(late, { facts: seen, index: seen.index + 1, chunks });
    },
  },
];

export const stopCase: Case = {
  id: 'session/stop',
  title: 'a stop ends a stream for everybody with what was said, and hangs up on its agent',
  isOurs: true,
  async run(subject) {
    const { T, socket, answer, seen } = await beginAnswer(subject);
    const hungUp = new Promise((resolve) => answer.once('close', resolve));
    socket.C(['3', '4', T, 'stop', { stream_id: seen.stream_id }]);
    const reply = await socket.raw.next((frame) => frame[1] === '4');
    check(reply[4], ok({ stopped: [seen.turn_id] }));
    const chunks = [{ type: 'abort' }];
    await expectAnswer(socket, { facts: seen, index: seen.index + 1, chunks, termination: 'stopped' });
    await hungUp;
  },
};
