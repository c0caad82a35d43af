import type { ErrorCode } from '@fleetlm/protocol';
import { type Entry, Skipped } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { error } from '../../notation.ts';
import type { Answer, Subject } from '../../subject.ts';

/** Too much, too late, or a fault of ours. */
export const loadErrors = {
  rate_limited: [
    {
      id: 'errors/rate_limited',
      title: 'frames and calls of a participant beyond its rate; somebody else is not touched',
      isOurs: true,
      async run(subject) {
        const [alice, bob] = await subject.pair();
        check(await floodFrames(subject, alice), error('rate_limited'));
        subject.problem(await floodCalls(subject, alice), 'rate_limited');
        check((await subject.call('GET', '/api/sessions', { as: bob })).status, 200);
      },
    },
  ],
  internal_error: [
    {
      id: 'errors/internal_error',
      title: 'a fault of the server: 500, logged, and nothing of it told',
      why: 'no caller can bring it about, or that is the fault: the fuzz test looks for one',
      proof: { file: 'packages/server/test/http/guard.test.ts', test: 'what fails here with %j is 500' },
    },
  ],
  overloaded: [
    {
      id: 'errors/overloaded-frames',
      title: 'far too many frames at once on one topic: each is answered once, with ok or overloaded',
      isOurs: true,
      async run(subject) {
        const { T, alice } = await subject.conversation();
        const socket = await subject.connect(alice);
        socket.C(['3', '3', T, 'phx_join', {}]);
        const refs = Array.from({ length: 400 }, (_, n) => `r${n}`);
        for (const ref of refs) socket.raw.send(['3', ref, T, 'history', { limit: 1 }]);
        const answers = new Map<unknown, number>();
        while (answers.size < refs.length + 1) {
          const [, ref, , , payload] = await socket.raw.next();
          if (payload.status === 'error') check(payload, error('overloaded'));
          answers.set(ref, (answers.get(ref) ?? 0) + 1);
        }
        check([...new Set(answers.values())], [1]);
        await socket.nothing();
      },
    },
    {
      id: 'errors/overloaded',
      title: 'a full node: 503 with Retry-After',
      why: 'the server under test is not overloaded on purpose',
      proof: { file: 'packages/server/test/http/rates.test.ts', test: 'a full node answers 503' },
    },
  ],
  draining: [
    {
      id: 'errors/draining',
      title: 'a server that stops: 503 for what is new',
      why: 'the server under test is not stopped',
      proof: { file: 'packages/server/test/http/lifecycle.test.ts', test: 'new ones get 503' },
    },
  ],
  outcome_unknown: [
    {
      id: 'errors/outcome_unknown',
      title: 'an append whose end the server does not know, and a retry that settles it',
      why: 'needs a database that stops answering',
      proof: {
        file: 'packages/server/test/conversation/append-faults.test.ts',
        test: 'past its deadline the sender is told "unknown"',
      },
    },
  ],
} satisfies Partial<Record<ErrorCode, readonly Entry[]>>;

/** Sends heartbeats until one is refused, and returns what it was answered. */
async function floodFrames(subject: Subject, as: string): Promise<unknown> {
  const socket = await subject.connect(as);
  // Four times what a participant may send in one go, unless the server is told otherwise.
  for (let sent = 0; sent < 3_200; sent += 50) {
    for (let n = 0; n < 50; n += 1) socket.raw.send([null, n, 'phoenix', 'heartbeat', {}]);
    const refused = (await socket.raw.settle()).find((frame) => frame[4].status === 'error');
    if (refused !== undefined) return refused[4];
  }
  throw new Skipped('the server has no rate of frames, or a higher one');
}

/** The same over REST, which takes from the same rate. */
async function floodCalls(subject: Subject, as: string): Promise<Answer> {
  for (let round = 0; round < 20; round += 1) {
    const calls = Array.from({ length: 50 }, () => subject.call('GET', '/api/sessions?limit=1', { as }));
    const refused = (await Promise.all(calls)).find(({ status }) => status !== 200);
    if (refused !== undefined) return refused;
  }
  throw new Skipped('the server answers slower than its rate');
}
