import { expect, test } from 'vitest';
import { answerLimits } from '../../src/agents/answer/answer-limits.ts';
import { type Chunk, parseChunk } from '../../src/streams/chunk.ts';
import { StreamAssembler } from '../../src/streams/stream-assembler.ts';

const maxChunks = 19_990;
/**
 * Each takes some hundredths of a second of the processor; what grows with the square of its chunks takes
 * many times that.
 */
const maxMs = 350;

type Make = (index: number) => Chunk | readonly Chunk[];

const letters = 'x'.repeat(14);

function text(id: string, index: number): Chunk {
  return { type: 'text-delta', id, delta: `${index} ${letters}`.slice(0, 20) };
}

const cases: Record<string, { readonly before?: readonly Chunk[]; readonly make: Make }> = {
  'a text, token by token': { before: [{ type: 'text-start', id: '1' }], make: (index) => text('1', index) },
  'two texts in turn': {
    before: [
      { type: 'text-start', id: '1' },
      { type: 'text-start', id: '2' },
    ],
    make: (index) => text(String((index % 2) + 1), index),
  },
  'an input, token by token': {
    before: [{ type: 'tool-input-start', toolCallId: '1', toolName: 't' }],
    make: (index) => ({
      type: 'tool-input-delta',
      toolCallId: '1',
      inputTextDelta: index === 0 ? '{"a": "' : letters,
    }),
  },
  'an input with its output after each token': {
    before: [
      { type: 'tool-input-start', toolCallId: '1', toolName: 't' },
      ...Array.from({ length: 8 }, (_, index) => ({
        type: 'tool-input-delta',
        toolCallId: '1',
        inputTextDelta: (index === 0 ? '["' : '') + 'x'.repeat(60_000),
      })),
    ],
    make: () => [
      { type: 'tool-input-delta', toolCallId: '1', inputTextDelta: '' },
      { type: 'tool-output-available', toolCallId: '1', output: 1 },
    ],
  },
  'many tools, their outputs at the end': {
    make: (index) =>
      index < maxChunks / 2
        ? { type: 'tool-input-available', toolCallId: `c${index}`, toolName: 't', input: 1 }
        : { type: 'tool-output-available', toolCallId: `c${index - maxChunks / 2}`, output: 1 },
  },
  'many approvals': {
    make: (index) => {
      const [toolCallId, approvalId] = [`c${index}`, `a${index}`];
      return [
        { type: 'tool-input-available', toolCallId, toolName: 't', input: 1 },
        { type: 'tool-approval-request', toolCallId, approvalId },
        { type: 'tool-approval-response', approvalId, approved: true },
      ];
    },
  },
  'one approval in a long message': {
    before: [
      ...Array.from({ length: 10_000 }, () => ({ type: 'start-step' })),
      { type: 'tool-input-available', toolCallId: 'c', toolName: 't', input: 1 },
      { type: 'tool-approval-request', toolCallId: 'c', approvalId: 'a' },
    ],
    make: () => ({ type: 'tool-approval-response', approvalId: 'a', approved: true }),
  },
  'approvals of many tools under one id, the last first': {
    make: (index) => {
      const toolCallId = `c${Math.abs(6_660 - index)}`;
      if (index < 6_660) return { type: 'tool-input-available', toolCallId, toolName: 't', input: 1 };
      if (index === 6_660) return [];
      return [
        { type: 'tool-approval-request', toolCallId: `c${index - 6_660}`, approvalId: 'a' },
        { type: 'tool-approval-response', approvalId: 'a', approved: true },
      ];
    },
  },
  'a data part of many fields that changes': {
    before: [
      { ...Object.fromEntries(Array.from({ length: 6_000 }, (_, key) => [key, 0])), type: 'data-p', id: '1' },
    ],
    make: (index) => ({ type: 'data-p', id: '1', data: index }),
  },
  'data parts that change': {
    make: (index) => ({ type: 'data-p', id: String(index % 5_000), data: index }),
  },
  'metadata key by key': {
    make: (index) => ({ type: 'message-metadata', messageMetadata: { [`key${index}`]: { a: index } } }),
  },
  'steps that begin anew': { make: () => [{ type: 'data-p', data: 1 }, { type: 'reset-step' }] },
  'steps and nothing else': { make: () => ({ type: 'start-step' }) },
  'messages that begin anew': {
    make: (index) => [
      { type: 'start', messageId: `m${index}` },
      { type: 'text-start', id: '1' },
    ],
  },
  'an input that goes on in each step': {
    before: [{ type: 'tool-input-start', toolCallId: '1', toolName: 't' }],
    make: () => [
      { type: 'start-step' },
      { type: 'tool-input-delta', toolCallId: '1', inputTextDelta: letters },
    ],
  },
};

test.each(Object.entries(cases))(
  '%s: a whole stream costs what its chunks weigh',
  (name, { before = [], make }) => {
    const chunks = [...before, ...Array.from({ length: maxChunks }, (_, index) => make(index)).flat()];
    const sent = asRead(chunks.slice(0, maxChunks));
    const started = process.cpuUsage();
    const assembler = new StreamAssembler();
    for (const [index, chunk] of sent.entries()) {
      assembler.push(chunk, index / 5);
      if (index % 5_000 === 0) assembler.takeSegment();
    }
    const assembledMs = process.cpuUsage(started).user / 1_000;
    assembler.compact();
    assembler.end('finish', maxChunks);
    const length = JSON.stringify(assembler.ending?.message).length;
    const totalMs = process.cpuUsage(started).user / 1_000;
    process.stdout.write(
      `${name}: ${assembledMs.toFixed()} ms, ${totalMs.toFixed()} ms with its ${length >> 10} KiB\n`,
    );
    expect(totalMs).toBeLessThan(maxMs);
    // A stream's own MiB once more as `rawInput`, and what names and states of its parts weigh.
    expect(length).toBeLessThan(4 << 20);
  },
);

/** As many of them as an answer may have. */
function asRead(chunks: readonly Chunk[]): Chunk[] {
  let bytes = 0;
  return chunks.flatMap((chunk) => {
    bytes += JSON.stringify(chunk).length;
    return bytes > answerLimits.maxBytes ? [] : [parseChunk(chunk)!];
  });
}
