import { expect, test } from 'vitest';
import { type Chunk, parseChunk } from '../../src/streams/chunk.ts';
import type { FoldedMessage } from '../../src/streams/message-fold.ts';
import { StreamAssembler } from '../../src/streams/stream-assembler.ts';
import type { Termination } from '../../src/streams/termination.ts';
import { type AgentOptions, type ModelPart, type ModelStep, runAgent } from './sdk-agent.ts';
import { asJson, foldAll, readBySdk, type SdkVersion } from './sdk-messages.ts';

interface Scenario {
  readonly name: string;
  readonly steps: readonly ModelStep[];
  readonly options?: AgentOptions;
  readonly termination?: Termination;
  /** The first version of the SDK that has it. */
  readonly since?: SdkVersion;
  /** The types of the message's parts, where they say that the scenario is what its name says. */
  readonly parts?: readonly string[];
}

const hello = text('1', 'Hel', 'lo', ' 👋');
const thought = reasoning('1', 'Let me ', 'think');
const stop = finish('stop');
const berlin = '{"city": "Berlin"}';
const asksWeather = [...toolInput('c1', 'weather', '{"ci', 'ty": "Ber', 'lin"}'), finish('tool-calls')];
const url: ModelPart = {
  type: 'source',
  sourceType: 'url',
  id: 's1',
  url: 'https://example.com',
  title: 'Example',
};
const document: ModelPart = {
  type: 'source',
  sourceType: 'document',
  id: 's2',
  mediaType: 'application/pdf',
  title: 'Paper',
  filename: 'paper.pdf',
};
const note = { acme: { note: 'kept' } };
const described = hello.map((part) => ({ ...part, providerMetadata: note }));
const image: ModelPart = { type: 'file', mediaType: 'image/png', data: { type: 'data', data: 'iVBORw0=' } };
const failure: ModelPart = { type: 'error', error: new Error('overloaded') };
const providersCall: ModelPart = {
  type: 'tool-call',
  toolCallId: 'p1',
  toolName: 'search',
  input: '{"query": "x"}',
  providerExecuted: true,
  dynamic: true,
};
const providersResult: ModelPart = {
  type: 'tool-result',
  toolCallId: 'p1',
  toolName: 'search',
  result: { hits: 3 },
  providerExecuted: true,
  dynamic: true,
};
const countTokens = ({ part }: { readonly part: ModelPart }) =>
  part.type === 'start'
    ? { model: { name: 'mock' } }
    : part.type === 'finish'
      ? { model: { tokens: 13 } }
      : undefined;

const scenarios: readonly Scenario[] = [
  { name: 'a text', steps: [[...hello, stop]], parts: ['step-start', 'text'] },
  { name: 'an empty text', steps: [[...text('1'), stop]] },
  { name: 'nothing', steps: [[stop]] },
  {
    name: 'two texts',
    steps: [[...hello, ...text('2', 'again'), stop]],
    parts: ['step-start', 'text', 'text'],
  },
  { name: 'two texts side by side', steps: [[...mixed(hello, text('2', 'a', 'b', 'c')), stop]] },
  { name: 'texts with metadata of the provider', steps: [[...described, stop]] },
  { name: 'a text that runs into the limit', steps: [[...hello, finish('length')]] },
  {
    name: 'reasoning, then a text',
    steps: [[...thought, ...hello, stop]],
    parts: ['step-start', 'reasoning', 'text'],
  },
  {
    name: 'reasoning that is not sent',
    steps: [[...thought, ...hello, stop]],
    options: { sendReasoning: false },
  },
  { name: 'reasoning and text side by side', steps: [[...mixed(thought, hello), stop]] },
  {
    name: 'sources',
    steps: [[...hello, url, document, stop]],
    parts: ['step-start', 'text', 'source-url', 'source-document'],
  },
  { name: 'a file', steps: [[...hello, image, stop]], since: 7, parts: ['step-start', 'text', 'file'] },
  {
    name: 'a tool, and an answer from what it says',
    steps: [asksWeather, [...hello, stop]],
    parts: ['step-start', 'tool-weather', 'step-start', 'text'],
  },
  {
    name: 'a call that comes whole',
    steps: [
      [call('c1', 'weather', berlin), finish('tool-calls')],
      [...hello, stop],
    ],
  },
  {
    name: 'two tools side by side',
    steps: [
      [
        ...mixed(
          toolInput('c1', 'weather', '{"city": ', '"Berlin"}'),
          toolInput('c2', 'slow', '{"city"', ': "Rome"', '}'),
        ),
        finish('tool-calls'),
      ],
      [...hello, stop],
    ],
  },
  {
    name: 'a tool that fails',
    steps: [
      [call('c1', 'broken', berlin), finish('tool-calls')],
      [...hello, stop],
    ],
  },
  {
    name: 'a tool that tells its progress',
    steps: [
      [call('c1', 'slow', berlin), finish('tool-calls')],
      [...hello, stop],
    ],
  },
  { name: 'a tool of the client', steps: [[call('c1', 'ofClient', berlin), finish('tool-calls')]] },
  { name: 'a tool that needs an approval', steps: [[call('c1', 'risky', berlin), finish('tool-calls')]] },
  {
    name: 'an input that is no JSON',
    steps: [
      [call('c1', 'weather', '{"city": '), finish('tool-calls')],
      [...hello, stop],
    ],
  },
  {
    name: 'an input that the tool does not take',
    steps: [[call('c1', 'weather', '{"town": 1}'), finish('tool-calls')], [stop]],
  },
  {
    name: 'a tool that there is not',
    steps: [
      [call('c1', 'nothing', berlin), finish('tool-calls')],
      [...hello, stop],
    ],
  },
  {
    name: 'a dynamic tool of the provider',
    steps: [[providersCall, providersResult, ...hello, stop]],
    since: 6,
  },
  {
    name: 'three steps with everything',
    steps: [
      [...thought, ...asksWeather],
      [...text('1', 'Wait. '), call('c2', 'slow', berlin), finish('tool-calls')],
      [...reasoning('1', 'Now.'), url, ...hello, stop],
    ],
  },
  { name: 'metadata of the message', steps: [[...hello, stop]], options: { messageMetadata: countTokens } },
  {
    name: 'an id of the message',
    steps: [[...hello, stop]],
    options: { originalMessages: [], generateMessageId: () => 'm1' },
  },
  {
    name: 'a stream without start and finish',
    steps: [[...hello, stop]],
    options: { sendStart: false, sendFinish: false },
  },
  { name: 'an error in the midst of a text', steps: [[...hello.slice(0, 2), failure]], termination: 'error' },
  { name: 'an error before anything', steps: [[failure]], termination: 'error' },
  {
    name: 'an abort in the midst of a text',
    steps: [[...hello, stop]],
    options: { abortAfter: 3 },
    termination: 'stopped',
  },
  {
    name: 'an abort in the midst of an input',
    steps: [asksWeather],
    options: { abortAfter: 3 },
    termination: 'stopped',
  },
  {
    name: 'an abort in the second step',
    steps: [asksWeather, [...hello, stop]],
    options: { abortAfter: 9 },
    termination: 'stopped',
  },
];

const runs = ([7, 6, 5] as const).flatMap((version) =>
  scenarios
    .filter(({ since = 5 }) => since <= version)
    .map((scenario) => ({ ...scenario, version, title: `${scenario.name}, by the SDK ${version}` })),
);

test.each(runs)('$title', async ({ steps, options = {}, termination = 'finish', parts, version }) => {
  const chunks = (await runAgent(steps, options, version)).map((chunk) => parseChunk(chunk)!);
  expect(chunks).not.toContain(null);
  const { message, dropped } = foldAll(chunks);
  expect(dropped).toEqual([]);
  if (parts !== undefined) expect(message.parts.map(({ type }) => type)).toEqual(parts);
  expect(message).toEqual((await readBySdk(chunks)).message);
  expect(message).toEqual(asOfSdk7((await readBySdk(chunks, version)).message));
  expect(assembled(chunks)).toEqual({ termination, message: shownMessage(chunks) });
});

/** The one difference: where the input of a call that could not be made is. */
function asOfSdk7(message: FoldedMessage): FoldedMessage {
  const parts = message.parts.map((part) => {
    const { rawInput, ...rest } = part;
    const isMoved = part['state'] === 'output-error' && rawInput !== undefined && part['input'] === undefined;
    return isMoved ? { ...rest, input: rawInput } : part;
  });
  return { ...message, parts };
}

/** What a session's reader has: nothing that came behind the last chunk. */
function shownMessage(chunks: readonly Chunk[]) {
  const last = chunks.findIndex(({ type }) => ['finish', 'abort', 'error'].includes(type));
  return foldAll(last === -1 ? chunks : chunks.slice(0, last + 1)).message;
}

function assembled(chunks: readonly Chunk[]) {
  const assembler = new StreamAssembler();
  for (const chunk of chunks) assembler.push(chunk, 0);
  assembler.end('finish', 0);
  const { termination, message } = assembler.ending!;
  return { termination, message: asJson(message) };
}

function text(id: string, ...deltas: readonly string[]): ModelPart[] {
  return block('text', id, deltas);
}

function reasoning(id: string, ...deltas: readonly string[]): ModelPart[] {
  return block('reasoning', id, deltas);
}

function block(kind: string, id: string, deltas: readonly string[]): ModelPart[] {
  return [
    { type: `${kind}-start`, id },
    ...deltas.map((delta) => ({ type: `${kind}-delta`, id, delta })),
    { type: `${kind}-end`, id },
  ];
}

function toolInput(id: string, toolName: string, ...deltas: readonly string[]): ModelPart[] {
  return [
    { type: 'tool-input-start', id, toolName },
    ...deltas.map((delta) => ({ type: 'tool-input-delta', id, delta })),
    { type: 'tool-input-end', id },
    call(id, toolName, deltas.join('')),
  ];
}

function call(toolCallId: string, toolName: string, input: string): ModelPart {
  return { type: 'tool-call', toolCallId, toolName, input };
}

function finish(reason: string): ModelPart {
  return { type: 'finish', reason };
}

/** One of each in turn. */
function mixed(one: readonly ModelPart[], other: readonly ModelPart[]): ModelPart[] {
  const length = Math.max(one.length, other.length);
  return Array.from({ length }, (_, index) => [one[index], other[index]])
    .flat()
    .filter((part) => part !== undefined);
}
