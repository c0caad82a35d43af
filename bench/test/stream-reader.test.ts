import { expect, test } from 'vitest';
import { startAgents } from '../src/agents/start-agents.ts';
import { isWhole, readTokens, sealOf, sharedNowMs, writeToken } from '../src/agents/stream-text.ts';
import { StreamReader } from '../src/load/stream-reader.ts';

const topic = 'session:s';

/** A session in a few lines: what its server says is what the test says. */
function readerOf() {
  const reader = new StreamReader({ ask: async () => ({ status: 'ok', response: {} }) }, topic);
  let index = 0;
  let text = '';
  const say = (event: string, payload: object) => reader.receive({ topic, event, payload });
  const push = (chunk: object) => {
    say('stream_chunk', { message_id: 'm', index, chunk });
    index += 1;
  };
  return {
    ask: (chunks: number) => reader.ask({ chunks, perSecond: 50 }),
    push,
    skip: () => {
      index += 1;
    },
    delta: (delta: string) => {
      text += delta;
      push({ type: 'text-delta', id: 'text', delta });
    },
    text: () => text,
    store: (changes: object = {}) =>
      say('message', {
        id: 'm',
        sender_id: 'agent:bench',
        kind: 'assistant',
        content: { parts: [{ type: 'text', text }] },
        metadata: { termination: 'finish' },
        ...changes,
      }),
    say,
  };
}

type Session = ReturnType<typeof readerOf>;

/** Of two chunks, joined. */
function stream({ push, delta, text }: Session): void {
  push({ type: 'start' });
  delta(writeToken(0) + writeToken(1));
  delta(sealOf(text()));
  push({ type: 'finish' });
}

test('a whole stream: each chunk has its time', async () => {
  const session = readerOf();
  const reading = session.ask(2);
  session.say('message', { id: 'q', sender_id: 'user:a', kind: 'text', content: {}, metadata: {} });
  stream(session);
  session.store();
  const { failure, timesMs, came, written, askedMs } = await reading;
  expect(failure).toBeNull();
  expect(timesMs).toHaveLength(2);
  for (const ms of timesMs) expect(ms).toBeLessThan(sharedNowMs() - askedMs + 1);
  expect(written.firstMs).toBeGreaterThanOrEqual(askedMs - 0.01);
  expect(came.lastMs).toBeGreaterThanOrEqual(came.firstMs);
});

type Step = (session: Session) => void;

const skip: Step = (session) => session.skip();
const token =
  (number: number): Step =>
  (session) =>
    session.delta(writeToken(number));
const end =
  (type: string): Step =>
  (session) =>
    session.push({ type });
const store =
  (changes: object = {}): Step =>
  (session) =>
    session.store(changes);
const refuse: Step = ({ say }) =>
  say('message', { kind: 'system', sender_id: null, content: { text: 'no' }, metadata: {} });

test.each<[failure: string, steps: Step[]]>([
  ['a gap in the indexes', [skip, stream, store()]],
  ['a chunk after the terminal one', [stream, end('finish'), store()]],
  ['a chunk lost, or out of order', [token(1), store()]],
  ['ended with no terminal chunk', [token(0), store()]],
  ['ended with abort', [token(0), end('abort'), store()]],
  ['stored as interrupted', [stream, store({ metadata: { termination: 'interrupted' } })]],
  ['stored under another id', [stream, store({ id: 'n' })]],
  ['stored text is not the streamed one', [stream, store({ content: { parts: [] } })]],
  ['stored text is not the sent one', [token(0), end('finish'), store()]],
  ['said by the system: no', [refuse]],
])('%s is a failure', async (failure, steps) => {
  const session = readerOf();
  const reading = session.ask(2);
  for (const step of steps) step(session);
  expect((await reading).failure).toBe(failure);
});

test('an agent writes by the clock, and seals what it wrote', async () => {
  await using agents = await startAgents();
  const content = { chunks: 20, per_second: 200 };
  const beganMs = sharedNowMs();
  const response = await fetch(agents.url, {
    method: 'POST',
    body: JSON.stringify({ data: { messages: [{ content }] } }),
  });
  const events = (await response.text()).match(/(?<=^data: )\{.+\}$/gm)!.map((json) => JSON.parse(json));
  const types = events.map(({ type }) => type);
  expect(types).toEqual(['start', 'text-start', ...Array(21).fill('text-delta'), 'text-end', 'finish']);
  const text = events.map(({ delta = '' }) => delta).join('');
  expect(isWhole(text)).toBe(true);
  expect(isWhole(text.replace(' ', '  '))).toBe(false);
  const tokens = readTokens(text);
  expect(tokens.map(({ index }) => index)).toEqual([...Array(20).keys()]);
  // The last one is due after 95 ms, of a clock that is that of this process, too.
  expect(tokens.at(-1)!.writtenMs - tokens[0]!.writtenMs).toBeGreaterThan(80);
  expect(tokens[0]!.writtenMs).toBeGreaterThanOrEqual(Math.floor(beganMs));
});
