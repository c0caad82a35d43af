import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { repositoryRoot, SpawnedProcess, untilListening } from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAnswer } from '../../src/agents/answer/read-answer.ts';
import {
  newSigningSecret,
  parseSigningSecret,
  signatureHeaders,
} from '../../src/agents/webhook/signature.ts';
import { StreamAssembler } from '../../src/streams/stream-assembler.ts';
import { foldAll } from '../streams/sdk-messages.ts';
import { callOf, failureOf, localClient, readToEnd, signingSecret } from './webhook/call-fixture.ts';

/** The agents of examples/agents, started as their users start them, and called as FleetLM calls. */

const hasPython = spawnSync('python3', ['--version']).status === 0;
const programs = {
  echo: [process.execPath, 'echo.js'],
  'ai-sdk': [process.execPath, 'ai-sdk/server.ts'],
  ...(hasPython && { python: ['python3', 'python/agent.py'] }),
} as const;
type Name = keyof typeof programs;
const names = Object.keys(programs) as Name[];

const resources = new AsyncDisposableStack();
const agents = new Map<Name, { readonly url: string; readonly process: SpawnedProcess }>();

beforeAll(async () => {
  await Promise.all(
    names.map(async (name) => {
      const [program, file] = programs[name]!;
      const child = new SpawnedProcess(program, [join(repositoryRoot, 'examples/agents', file)], {
        env: { PORT: '0', SIGNING_SECRET: signingSecret },
      });
      resources.use(child);
      agents.set(name, { url: await untilListening(child), process: child });
    }),
  );
});
afterAll(() => resources.disposeAsync());

describe('the whole answer of', () => {
  test('echo: what was said last, word by word', async () => {
    const { parts, deltas } = await answerOf('echo', turnOf('One', 'Two', 'Say  it again'));
    expect(parts).toMatchObject([{ type: 'text', text: 'Say  it again', state: 'done' }]);
    expect(deltas).toEqual(['Say  ', 'it ', 'again']);
  });

  test('echo, to what has no text', async () => {
    const { parts } = await answerOf('echo', turnOf({ image: 'cat.png' }));
    expect(parts).toMatchObject([{ type: 'text', text: 'Say something.' }]);
  });

  test('ai-sdk: it uses its tool', async () => {
    const { parts } = await answerOf('ai-sdk', turnOf('What is the weather in Paris?'));
    expect(parts).toMatchObject([
      { type: 'step-start' },
      {
        type: 'tool-weather',
        state: 'output-available',
        input: { city: 'Paris' },
        output: { city: 'Paris', celsius: 17 },
      },
      { type: 'step-start' },
      { type: 'text', text: expect.stringContaining('"celsius":17'), state: 'done' },
    ]);
  });

  test('ai-sdk: after an answer of its own that was stopped in the middle of a call', async () => {
    const call = { type: 'tool-weather', toolCallId: 'call', state: 'input-available', input: { city: 'P' } };
    const turn = turnOf('What is the weather in Paris?', { role: 'assistant', parts: [call] }, 'Never mind');
    const { parts } = await answerOf('ai-sdk', turn);
    expect(parts.at(-1)).toMatchObject({ type: 'text', text: 'You said: Never mind' });
  });

  test.skipIf(!hasPython)('python (skipped where python3 is not installed)', async () => {
    const { parts, deltas } = await answerOf('python' as Name, turnOf('One two', 'Three'));
    expect(parts).toMatchObject([{ type: 'text', text: 'I have read 2 messages with 3 words.' }]);
    expect(deltas.length).toBeGreaterThan(5);
  });
});

describe.each(names.filter((name) => name !== 'echo'))('%s answers nobody', (name) => {
  test('who has another secret', async () => {
    const keys = [parseSigningSecret(newSigningSecret())!];
    const outcome = await localClient().call(callOf(urlOf(name), { body: turnOf('Hello'), keys }));
    expect(await failureOf(outcome)).toMatchObject({ reason: 'refused', status: 401 });
  });

  test('who sends again what was signed ten minutes ago', async () => {
    expect(await statusOfOldCall(name, 0)).toBe(200);
    expect(await statusOfOldCall(name, 600)).toBe(401);
    expect(await statusOfOldCall(name, -600)).toBe(401);
  });

  test('but during a rotation who signs with both', async () => {
    const keys = [newSigningSecret(), signingSecret].map((secret) => parseSigningSecret(secret)!);
    const outcome = await localClient().call(callOf(urlOf(name), { body: turnOf('Hello'), keys }));
    expect(await failureOf(outcome)).toBeNull();
  });
});

test.each(names)('%s takes no harm when it is stopped, or sent nonsense', async (name) => {
  const nonsense = await localClient().call(callOf(urlOf(name), { body: Buffer.from('nonsense') }));
  expect(await failureOf(nonsense)).not.toBeNull();
  const { process: child } = agents.get(name)!;
  const complaints = child.output;
  await hangUpInTheMiddle(name);
  const { parts } = await answerOf(name, turnOf('Hello'));
  expect(parts.at(-1)).toMatchObject({ type: 'text', state: 'done' });
  expect(child.hasExited).toBe(false);
  // A stop is nothing to complain of.
  expect(child.output).toBe(complaints);
});

/** What is said to it, the newest last, by a person and by itself in turn. */
function turnOf(...said: readonly (string | object)[]): Buffer {
  const messages = said.map((content, index) => ({
    id: `message-${index}`,
    seq: index + 1,
    sender_id: (said.length - index) % 2 === 1 ? 'user:alice' : 'agent:example',
    kind: typeof content === 'string' ? 'text' : 'assistant',
    content: typeof content === 'string' ? { text: content } : content,
    metadata: {},
  }));
  const data = { turn_id: 'turn', attempt: 1, agent_id: 'agent:example', session: {}, messages };
  return Buffer.from(JSON.stringify({ type: 'turn.requested', timestamp: new Date().toISOString(), data }));
}

/** The message that an answer makes, as a session stores it; nothing of the answer is dropped. */
async function answerOf(name: Name, body: Buffer) {
  const outcome = await localClient().call(callOf(urlOf(name), { body }));
  if (outcome.kind === 'failed') throw new Error(JSON.stringify(outcome.failure));
  const { events, end, dropped } = await readToEnd(outcome);
  expect([end.failure, dropped]).toEqual([null, 0]);
  const chunks = events.map((event) => (event.kind === 'chunk' ? event.chunk : expect.fail(event.kind)));
  const stream = new StreamAssembler();
  for (const chunk of chunks) stream.push(chunk, 0);
  expect(foldAll(chunks).dropped).toEqual([]);
  expect(stream.ending).toMatchObject({ termination: 'finish', problem: null });
  return {
    parts: stream.ending!.message.parts,
    deltas: chunks.flatMap((chunk) => ('delta' in chunk ? [chunk['delta']] : [])),
  };
}

async function statusOfOldCall(name: Name, ageSeconds: number): Promise<number> {
  const body = turnOf('Hello');
  const timestampSeconds = Math.floor(Date.now() / 1_000) - ageSeconds;
  const keys = [parseSigningSecret(signingSecret)!];
  const headers = signatureHeaders({ id: 'turn', body, keys, timestampSeconds });
  const response = await fetch(urlOf(name), { method: 'POST', headers, body: new Uint8Array(body) });
  await response.body?.cancel();
  return response.status;
}

async function hangUpInTheMiddle(name: Name): Promise<void> {
  const abort = new AbortController();
  const body = turnOf('one two three four five six seven eight');
  const outcome = await localClient().call(callOf(urlOf(name), { body, signal: abort.signal }));
  if (outcome.kind === 'failed') throw new Error(JSON.stringify(outcome.failure));
  for await (const event of readAnswer(outcome)) if (event.kind === 'chunk') abort.abort();
}

function urlOf(name: Name): string {
  return agents.get(name)!.url;
}
