import { findJsonProblem } from '@fleetlm/protocol';
import { uiMessageChunkSchema } from 'ai';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Chunk, parseChunk } from '../../src/streams/chunk.ts';
import { StreamAssembler } from '../../src/streams/stream-assembler.ts';
import { anyChunkFields, disturbedStream } from './chunk-arbitraries.ts';

const runs = Number(process.env['FLEETLM_FOLD_RUNS'] ?? 200);

/** Chunks of known types in which some fields hold anything, or are missing. */
const damagedStream = fc
  .tuple(disturbedStream({ version: 7 }), fc.array(anyChunkFields, { maxLength: 8 }))
  .map(([chunks, damages]) => {
    const result: unknown[] = [...chunks];
    for (const [at, field, value] of damages) {
      if (result.length === 0) break;
      const place = at % result.length;
      result[place] = { ...(result[place] as object), [field]: value };
    }
    return JSON.parse(JSON.stringify(result)) as unknown[];
  });

test('a chunk is the same object, unknown types and fields and all', () => {
  const known = { type: 'text-delta', id: '1', delta: 'a', more: { a: [1] } };
  const unknown = JSON.parse('{"type": "hello", "__proto__": {"polluted": true}}');
  expect(parseChunk(known)).toBe(known);
  expect(parseChunk(unknown)).toBe(unknown);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

test('whatever is deepest in a chunk, the message can be stored', () => {
  const deep: unknown = JSON.parse(`${'['.repeat(28)}${']'.repeat(28)}`);
  const ids = { toolCallId: '1', toolName: 't', approvalId: '1' };
  const assembler = new StreamAssembler();
  for (const [type, field] of [
    ['tool-input-available', 'input'],
    ['tool-approval-request', 'approvalDescriptor'],
    ['tool-output-available', 'output'],
    ['message-metadata', 'messageMetadata'],
  ] as const) {
    const value = field === 'messageMetadata' ? { a: (deep as unknown[])[0] } : deep;
    assembler.push(parseChunk({ type, ...ids, [field]: value })!, 0);
  }
  assembler.end('finish', 0);
  expect(findJsonProblem(assembler.ending?.message)).toBeNull();
});

test.each([
  null,
  true,
  7,
  'text',
  [],
  [{ type: 'finish' }],
  {},
  { type: 7 },
  { type: null },
  JSON.parse('{"__proto__": {"type": "finish"}}'),
  { type: 'text-delta', id: '1' },
  { type: 'text-delta', id: 1, delta: 'a' },
  { type: 'text-delta', id: '1', delta: null },
  { type: 'tool-input-start', toolCallId: '1' },
  { type: 'tool-input-delta', toolCallId: '1', inputTextDelta: {} },
  { type: 'tool-output-error', toolCallId: '1' },
  { type: 'tool-approval-response', approvalId: '1', approved: 'yes' },
  { type: 'steering-message', id: '1', parts: {} },
  { type: 'source-url', url: 'https://example.com' },
  { type: 'start', messageId: 7 },
  { type: 'data-x', id: 7 },
  { type: 'data-x', data: JSON.parse(`${'['.repeat(29)}${']'.repeat(29)}`) },
])('%j is none', (value) => {
  expect(parseChunk(value)).toBeNull();
});

test.each([
  { type: 'finish', finishReason: 7 },
  { type: 'error' },
  { type: 'abort', reason: {} },
  { type: 'start', messageId: null },
  { type: 'data-x', id: null },
  { type: 'constructor' },
  { type: '' },
  { type: 'data-x', data: JSON.parse(`${'['.repeat(28)}${']'.repeat(28)}`) },
])('%j is one', (value) => {
  expect(parseChunk(value)).toBe(value);
});

describe('chunks that somebody damaged', () => {
  test('what the schema of the SDK takes, we take', async () => {
    const { validate } = uiMessageChunkSchema();
    await fc.assert(
      fc.asyncProperty(damagedStream, async (chunks) => {
        for (const chunk of chunks) {
          const isTaken = (await validate!(chunk)).success;
          if (isTaken) expect(parseChunk(chunk)).toBe(chunk);
        }
      }),
      { numRuns: runs / 4 },
    );
  });

  test('none of them breaks a stream, changes a prototype, or is changed', () => {
    const prototypeBefore = JSON.stringify(Object.getOwnPropertyNames(Object.prototype));
    fc.assert(
      fc.property(damagedStream, (chunks) => {
        const before = JSON.stringify(chunks);
        const assembler = new StreamAssembler();
        for (const value of chunks) {
          const chunk: Chunk | null = parseChunk(value);
          if (chunk !== null) assembler.push(chunk, 0);
          assembler.compact();
        }
        assembler.end('interrupted', 0);
        const message = JSON.parse(JSON.stringify(assembler.ending?.message));
        // A number of the agent's is stored as it is; whether it is exact is the agent's business.
        expect(findJsonProblem(message) ?? '').toMatch(/^$|integer/);
        expect(JSON.stringify(chunks)).toBe(before);
      }),
      { numRuns: runs },
    );
    expect(JSON.stringify(Object.getOwnPropertyNames(Object.prototype))).toBe(prototypeBefore);
    expect(Object.keys({})).toEqual([]);
  });
});
