import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Chunk } from '../../src/streams/chunk.ts';
import {
  type CompactStream,
  joinMs,
  StreamAssembler,
  type StreamPush,
} from '../../src/streams/stream-assembler.ts';
import type { Termination } from '../../src/streams/termination.ts';
import { denseStream, disturbedStream, stream } from './chunk-arbitraries.ts';
import { asJson, foldAll } from './sdk-messages.ts';

/** Without the SDK a run costs a tenth. */
const runs = 5 * Number(process.env['FLEETLM_FOLD_RUNS'] ?? 200);

const start: Chunk = { type: 'text-start', id: '1' };
const otherStart: Chunk = { type: 'reasoning-start', id: '1' };

function delta(text: string): Chunk {
  return { type: 'text-delta', id: '1', delta: text };
}

function otherDelta(text: string): Chunk {
  return { type: 'reasoning-delta', id: '1', delta: text };
}

/** A stream with two open parts at a time of 0 ms; "a" was just sent. */
function begun(): StreamAssembler {
  const assembler = new StreamAssembler();
  for (const chunk of [start, otherStart, delta('a')]) assembler.push(chunk, 0);
  return assembler;
}

function after(assembler: StreamAssembler, act: (assembler: StreamAssembler) => unknown): StreamAssembler {
  act(assembler);
  return assembler;
}

/** An input that goes on in another step makes its part there anew. */
function carryTooMuch(assembler: StreamAssembler, nowMs: number): StreamPush[] {
  const input = (text: string): Chunk => ({
    type: 'tool-input-delta',
    toolCallId: '1',
    inputTextDelta: text,
  });
  const chunks = [
    { type: 'tool-input-start', toolCallId: '1', toolName: 't' },
    input('x'.repeat(1 << 20)),
    { type: 'start-step' },
    input(''),
  ];
  return chunks.flatMap((chunk) => assembler.push(chunk, nowMs));
}

type State = 'fresh' | 'quiet' | 'waiting' | 'finishing' | 'stopping' | 'failing' | 'ended';

const states: Record<State, () => StreamAssembler> = {
  fresh: () => new StreamAssembler(),
  quiet: begun,
  waiting: () => after(begun(), (assembler) => assembler.push(delta('b'), 1)),
  finishing: () => after(begun(), (assembler) => assembler.push({ type: 'finish', finishReason: 'stop' }, 1)),
  stopping: () => after(begun(), (assembler) => assembler.end('stopped', 1)),
  failing: () => after(begun(), (assembler) => carryTooMuch(assembler, 1)),
  ended: () => after(states.finishing(), (assembler) => assembler.close()),
};

/** What happens, 2 ms in. */
const events = {
  delta: (assembler) => assembler.push(delta('c'), 2),
  lateDelta: (assembler) => assembler.push(delta('c'), joinMs),
  otherDelta: (assembler) => assembler.push(otherDelta('r'), 2),
  describedDelta: (assembler) => assembler.push({ ...delta('c'), providerMetadata: {} }, 2),
  whole: (assembler) => assembler.push({ type: 'start-step' }, 2),
  unknown: (assembler) => assembler.push({ type: 'unknown' }, 2),
  misplaced: (assembler) => assembler.push({ type: 'text-end', id: '2' }, 2),
  finish: (assembler) => assembler.push({ type: 'finish' }, 2),
  abort: (assembler) => assembler.push({ type: 'abort' }, 2),
  error: (assembler) => assembler.push({ type: 'error' }, 2),
  tooMuchCarried: (assembler) => carryTooMuch(assembler, 2),
  flush: (assembler) => assembler.flush(2),
  endFinish: (assembler) => assembler.end('finish', 2),
  endStopped: (assembler) => assembler.end('stopped', 2),
  endInterrupted: (assembler) => assembler.end('interrupted', 2),
  endError: (assembler) => assembler.end('error', 2),
  close: (assembler) => listOf(assembler.close()),
  closeAsStopped: (assembler) => listOf(assembler.close('stopped')),
} satisfies Record<string, (assembler: StreamAssembler) => readonly StreamPush[]>;

/** What is sent; what the state is then, and how it ends; whether deltas wait. */
type Cell = readonly [pushes: readonly string[], state: string, waits?: 'waits'];

const finishes = [[], 'ending finish'] as const;
const stops = [[], 'ending stopped'] as const;
const interrupts = [[], 'ending interrupted'] as const;
const fails = [[], 'ending error'] as const;
const tooLarge = 'ending error stream_too_large';
const nothing = [[], 'running'] as const;

/** From a state in which nothing is taken any more. */
function taken(
  cell: Cell,
): Record<Exclude<keyof typeof events, 'endStopped' | 'close' | 'closeAsStopped'>, Cell> {
  return {
    delta: cell,
    lateDelta: cell,
    otherDelta: cell,
    describedDelta: cell,
    whole: cell,
    unknown: cell,
    misplaced: cell,
    finish: cell,
    abort: cell,
    error: cell,
    tooMuchCarried: cell,
    flush: cell,
    endFinish: cell,
    endInterrupted: cell,
    endError: cell,
  };
}

const table: Record<State, Record<keyof typeof events, Cell>> = {
  fresh: {
    delta: nothing,
    lateDelta: nothing,
    otherDelta: nothing,
    describedDelta: nothing,
    whole: [['0 start-step'], 'running'],
    unknown: [['0 unknown'], 'running'],
    misplaced: nothing,
    finish: finishes,
    abort: stops,
    error: fails,
    tooMuchCarried: [
      ['0 tool-input-start', '1 tool-input-delta', '2 start-step', '3 tool-input-delta'],
      tooLarge,
    ],
    flush: nothing,
    endFinish: finishes,
    endStopped: stops,
    endInterrupted: interrupts,
    endError: fails,
    close: nothing,
    closeAsStopped: nothing,
  },
  quiet: {
    delta: [[], 'running', 'waits'],
    lateDelta: [['3 text-delta c'], 'running'],
    otherDelta: [[], 'running', 'waits'],
    describedDelta: [['3 text-delta c'], 'running'],
    whole: [['3 start-step'], 'running'],
    unknown: [['3 unknown'], 'running'],
    misplaced: nothing,
    finish: finishes,
    abort: stops,
    error: fails,
    tooMuchCarried: [
      ['3 tool-input-start', '4 tool-input-delta', '5 start-step', '6 tool-input-delta'],
      tooLarge,
    ],
    flush: nothing,
    endFinish: finishes,
    endStopped: stops,
    endInterrupted: interrupts,
    endError: fails,
    close: nothing,
    closeAsStopped: nothing,
  },
  waiting: {
    delta: [[], 'running', 'waits'],
    lateDelta: [['3 text-delta bc'], 'running'],
    otherDelta: [['3 text-delta b'], 'running', 'waits'],
    describedDelta: [['3 text-delta b', '4 text-delta c'], 'running'],
    whole: [['3 text-delta b', '4 start-step'], 'running'],
    unknown: [['3 text-delta b', '4 unknown'], 'running'],
    misplaced: [[], 'running', 'waits'],
    finish: [['3 text-delta b'], 'ending finish'],
    abort: [['3 text-delta b'], 'ending stopped'],
    error: [['3 text-delta b'], 'ending error'],
    tooMuchCarried: [
      ['3 text-delta b', '4 tool-input-start', '5 tool-input-delta', '6 start-step', '7 tool-input-delta'],
      tooLarge,
    ],
    flush: [['3 text-delta b'], 'running'],
    endFinish: [['3 text-delta b'], 'ending finish'],
    endStopped: [['3 text-delta b'], 'ending stopped'],
    endInterrupted: [['3 text-delta b'], 'ending interrupted'],
    endError: [['3 text-delta b'], 'ending error'],
    close: [[], 'running', 'waits'],
    closeAsStopped: [[], 'running', 'waits'],
  },
  finishing: {
    ...taken(finishes),
    endStopped: stops,
    close: [['3 finish stop'], 'ended finish'],
    closeAsStopped: [['3 abort'], 'ended finish'],
  },
  stopping: {
    ...taken(stops),
    endStopped: stops,
    close: [['3 abort'], 'ended stopped'],
    closeAsStopped: [['3 abort'], 'ended stopped'],
  },
  failing: {
    ...taken([[], tooLarge]),
    endStopped: stops,
    close: [['7 error The answer is larger than a message may be'], 'ended error stream_too_large'],
    closeAsStopped: [['7 abort'], 'ended error stream_too_large'],
  },
  ended: {
    ...taken([[], 'ended finish']),
    endStopped: [[], 'ended finish'],
    close: [[], 'ended finish'],
    closeAsStopped: [[], 'ended finish'],
  },
};

describe.each(Object.entries(table))('%s', (state, row) => {
  test.each(Object.entries(row))('%s', (event, cell) => {
    const assembler = states[state as State]();
    const pushes = events[event as keyof typeof events](assembler);
    expect(viewOf(assembler, pushes)).toEqual(cell);
  });
});

function viewOf(assembler: StreamAssembler, pushes: readonly StreamPush[]): Cell {
  const { termination, problem } = assembler.ending ?? {};
  const state = [assembler.state, termination, problem].filter(Boolean).join(' ');
  const sent = pushes.map(textOf);
  return assembler.deadlineMs === null ? [sent, state] : [sent, state, 'waits'];
}

function textOf({ index, chunk }: StreamPush): string {
  const { type, delta, errorText, finishReason } = chunk;
  return [index, type, delta ?? errorText ?? finishReason].filter((value) => value !== undefined).join(' ');
}

function listOf(push: StreamPush | null): StreamPush[] {
  return push === null ? [] : [push];
}

describe('any stream, flushed, saved, ended and closed at any time', () => {
  const kind = fc.oneof(
    { weight: 12, arbitrary: fc.constant('push' as const) },
    { weight: 3, arbitrary: fc.constant('flush' as const) },
    { weight: 2, arbitrary: fc.constant('save' as const) },
    { weight: 2, arbitrary: fc.constant('join' as const) },
  );
  const moves = fc.array(fc.record({ kind, pauseMs: fc.nat(20) }), { maxLength: 80 });
  const chunks = fc.oneof(denseStream, stream({ version: 7 }), disturbedStream({ version: 7 }));
  const ending = fc.constantFrom<Termination>('finish', 'stopped', 'interrupted', 'error');
  const committed = fc.constantFrom(undefined, 'stopped' as const);

  test('readers, late ones and who takes over see one stream: no gap, no loss, one end', () => {
    fc.assert(
      fc.property(chunks, moves, ending, committed, (given, made, end, closing) => {
        const { assembler, pushes, segments, joins } = play(given, made, end, closing);
        expect(pushes.map(({ index }) => index)).toEqual(pushes.map((_, place) => place));
        const shown = pushes.map(({ chunk }) => chunk);
        expect(shown.map(isTerminal)).toEqual(shown.map((_, place) => place === shown.length - 1));

        const read = foldAll(shown);
        expect(read.dropped).toEqual([]);
        expect(foldAll(segments).message).toEqual(foldAll(shown.slice(0, -1)).message);
        for (const join of joins) {
          expect(foldAll([...join.chunks, ...shown.slice(join.nextIndex)])).toEqual(read);
          expect(join.chunks.length).toBeLessThanOrEqual(join.nextIndex);
        }
        const stored = asJson(assembler.ending!.message);
        if (closing === undefined) expect(stored).toEqual(storableJson(read.message));
      }),
      { numRuns: runs, examples: pitfalls.map((given) => [given, pushAll, 'finish', undefined]) },
    );
  });
});

type Move = { readonly kind: 'push' | 'flush' | 'save' | 'join'; readonly pauseMs: number };

function play(given: readonly Chunk[], moves: readonly Move[], end: Termination, committed?: Termination) {
  const assembler = new StreamAssembler();
  const pushes: StreamPush[] = [];
  const segments: Chunk[] = [];
  const joins: CompactStream[] = [];
  const left = [...given];
  let nowMs = 0;
  const save = () => segments.push(...(assembler.takeSegment()?.chunks ?? []));
  for (const { kind, pauseMs } of moves) {
    nowMs += pauseMs;
    const { deadlineMs } = assembler;
    if (deadlineMs !== null && deadlineMs <= nowMs) pushes.push(...assembler.flush(deadlineMs));
    if (kind === 'push' && left.length > 0) pushes.push(...assembler.push(left.shift()!, nowMs));
    else if (kind === 'flush') pushes.push(...assembler.flush(nowMs));
    else if (kind === 'save') save();
    else if (kind === 'join') joins.push(assembler.compact());
    expect(assembler.deadlineMs ?? nowMs).toBeLessThanOrEqual(nowMs + joinMs);
  }
  pushes.push(...assembler.end(end, nowMs));
  save();
  joins.push(assembler.compact());
  pushes.push(...listOf(assembler.close(committed)));
  expect([...assembler.push(delta('z'), nowMs), ...assembler.end('error', nowMs)]).toEqual([]);
  expect(assembler.close()).toBeNull();
  return { assembler, pushes, segments, joins };
}

const pushAll: Move[] = Array.from({ length: 10 }, () => ({ kind: 'push', pauseMs: 20 }));

const toolStart: Chunk = { type: 'tool-input-start', toolCallId: '1', toolName: 't', dynamic: true };
const toolDelta: Chunk = { type: 'tool-input-delta', toolCallId: '1', inputTextDelta: '1' };
const toolEnd: Chunk = {
  type: 'tool-input-available',
  toolCallId: '1',
  toolName: 't',
  dynamic: true,
  input: 1,
};

/** Where joining deltas would make another message, or the log's is not what was shown. */
const pitfalls: Chunk[][] = [
  [start, delta('a'), { type: 'text-end', id: '1' }, start, delta('b')],
  [otherStart, otherDelta('a'), { type: 'reasoning-end', id: '1' }, otherStart, otherDelta('b')],
  [start, delta('a'), { ...delta('b'), providerMetadata: 1 }, delta('c')],
  [toolStart, toolDelta, toolEnd, toolDelta],
  [toolStart, toolDelta, { type: 'start-step' }, toolDelta, toolDelta],
  [start, delta('a'), { type: 'start', messageId: '2' }, start, delta('b')],
  // What is stored lacks the key, what is shown has it.
  [{ ...toolStart, providerMetadata: JSON.parse('{"__proto__": {}}') }],
];

function isTerminal({ type }: Chunk): boolean {
  return type === 'finish' || type === 'abort' || type === 'error';
}

/** As `storableMessage` says it, by another way. */
function storableJson(value: unknown): unknown {
  const text = JSON.stringify(value).replaceAll(/\\u0000|\\ud[89a-f]../g, '\ufffd');
  return JSON.parse(text, (key, inner) => (key === '__proto__' ? undefined : inner));
}

describe('what it keeps is small', () => {
  test('the deltas of parts that stream side by side are one chunk each, and progress is the newest', () => {
    const assembler = new StreamAssembler();
    const sent = [start, otherStart];
    for (let count = 0; count < 100; count += 1) {
      sent.push(delta(`a${count} `), otherDelta(`b${count} `), {
        type: 'data-progress',
        id: 'p',
        data: { count },
      });
      sent.push({ type: 'data-notice', data: count, transient: true });
    }
    const pushes = sent.flatMap((chunk) => assembler.push(chunk, 0));
    const { chunks, nextIndex } = assembler.compact();
    expect(nextIndex).toBe(pushes.length);
    expect(chunks.map(({ type }) => type)).toEqual([
      'text-start',
      'reasoning-start',
      'text-delta',
      'reasoning-delta',
      'data-progress',
    ]);
    expect(chunks.at(-1)).toEqual({ type: 'data-progress', id: 'p', data: { count: 99 } });
  });
});

test('an input that is taken over into step after step counts each time', () => {
  const assembler = new StreamAssembler();
  const input: Chunk = { type: 'tool-input-delta', toolCallId: '1', inputTextDelta: 'x'.repeat(60_000) };
  assembler.push({ type: 'tool-input-start', toolCallId: '1', toolName: 't' }, 0);
  assembler.push(input, 0);
  for (let count = 0; count < 1_000; count += 1) {
    assembler.push({ type: 'start-step' }, 0);
    assembler.push({ ...input, inputTextDelta: '' }, 0);
  }
  expect(assembler.ending).toMatchObject({ termination: 'error', problem: 'stream_too_large' });
  expect(JSON.stringify(assembler.ending?.message).length).toBeLessThan(2 << 20);
});

test('an error of the agent without a text is shown with one, as readers of the SDK need it', () => {
  const assembler = begun();
  assembler.push({ type: 'error', code: 7 }, 1);
  expect(assembler.close()?.chunk).toEqual({ type: 'error', code: 7, errorText: expect.any(String) });
});

describe('content', () => {
  const cases: readonly (readonly [string, readonly Chunk[], boolean])[] = [
    ['nothing', [], false],
    ['a step', [{ type: 'start-step' }], false],
    ['a text that never came', [start, delta('')], false],
    ['metadata', [{ type: 'message-metadata', messageMetadata: { a: 1 } }], false],
    ['a text', [start, delta(' ')], true],
    ['reasoning', [otherStart, otherDelta('r')], true],
    ['a call of a tool', [{ type: 'tool-input-start', toolCallId: '1', toolName: 't' }], true],
    ['a file', [{ type: 'file', url: 'https://a', mediaType: 'image/png' }], true],
    ['a source', [{ type: 'source-url', sourceId: '1', url: 'https://a' }], true],
    ['data', [{ type: 'data-weather', data: 1 }], true],
    ['data for listeners only', [{ type: 'data-weather', data: 1, transient: true }], false],
  ];

  test.each(cases)('%s', (_, chunks, hasContent) => {
    const assembler = new StreamAssembler();
    for (const chunk of chunks) assembler.push(chunk, 0);
    assembler.end('stopped', 0);
    expect(assembler.ending?.hasContent).toBe(hasContent);
  });

  test('a message with half of an emoji, a NUL and a __proto__ key can be stored', () => {
    const assembler = new StreamAssembler();
    const data = JSON.parse('{"__proto__": {"a": 1}, "b\\u0000": "\\ud83d"}');
    for (const chunk of [start, delta('👋\0\ud83d'), { type: 'data-x', data }]) assembler.push(chunk, 0);
    assembler.end('interrupted', 0);
    expect(assembler.ending?.message.parts).toEqual([
      { type: 'text', text: '👋\ufffd\ufffd', state: 'streaming' },
      { type: 'data-x', data: { 'b\ufffd': '\ufffd' } },
    ]);
  });

  test('what a finish says about the message counts only if the finish is what was committed', () => {
    const assembler = begun();
    assembler.push({ type: 'finish', messageMetadata: { tokens: 7 } }, 1);
    expect(assembler.ending?.message.metadata).toEqual({ tokens: 7 });
    assembler.end('stopped', 2);
    expect(assembler.ending?.message.metadata).toBeUndefined();
  });
});

test('a chunk of an unknown type may hold what cannot be made a text where others have an id', () => {
  const assembler = new StreamAssembler();
  const odd: Chunk = { type: 'odd', toolCallId: { toString: 1 }, id: { toString: 1 } };
  expect(assembler.push(odd, 0)).toEqual([{ index: 0, chunk: odd }]);
  expect(assembler.compact().chunks).toEqual([odd]);
});
