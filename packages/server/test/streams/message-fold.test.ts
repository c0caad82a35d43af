import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { disturbedStream, stream } from './chunk-arbitraries.ts';
import { foldAll, readBySdk } from './sdk-messages.ts';

/** More runs for the long form: FLEETLM_FOLD_RUNS=5000 npx vitest run message-fold */
const runs = Number(process.env['FLEETLM_FOLD_RUNS'] ?? 200);

describe('the fold equals readUIMessageStream', () => {
  test('of the SDK 7, for streams and for disturbed ones: it gives up exactly where a chunk was dropped', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(stream({ version: 7 }), disturbedStream({ version: 7 })), async (chunks) => {
        const { message, dropped } = foldAll(chunks);
        const kept = chunks.filter((_, index) => !dropped.includes(index));
        const reading = await readBySdk(kept);
        expect(reading.error).toBeNull();
        expect(message).toEqual(reading.message);
        for (const index of dropped.slice(0, 1)) {
          expect((await readBySdk(chunks.slice(0, index))).error).toBeNull();
          expect((await readBySdk(chunks.slice(0, index + 1))).error).not.toBeNull();
        }
      }),
      { numRuns: runs },
    );
  });

  test.each([5, 6] as const)('of the SDK %i, for its streams', async (version) => {
    await fc.assert(
      fc.asyncProperty(stream({ version }), async (chunks) => {
        const { message } = foldAll(chunks);
        const reading = await readBySdk(chunks, version);
        fc.pre(reading.error === null);
        expect(message).toEqual(reading.message);
      }),
      { numRuns: runs },
    );
  });
});

describe('what the SDK does otherwise', () => {
  test('metadata that is no object is left out, and the rest of its chunk counts', () => {
    const metadata = ['text', 7, true, ['a'], null].map((messageMetadata) => ({
      type: 'message-metadata',
      messageMetadata,
    }));
    const { message, dropped } = foldAll([
      { type: 'start', messageId: 'm', messageMetadata: 'text' },
      { type: 'message-metadata', messageMetadata: { a: 1 } },
      ...metadata,
    ]);
    expect(dropped).toEqual([]);
    expect(message).toEqual({ id: 'm', role: 'assistant', parts: [], metadata: { a: 1 } });
  });
});

test('metadata grows in an object of ours: no chunk is changed', () => {
  const chunks = [{ z: 0 }, { a: { b: { c: 1 } } }, { a: { b: { d: 2 } } }].map((messageMetadata) => ({
    type: 'message-metadata',
    messageMetadata,
  }));
  const before = structuredClone(chunks);
  expect(foldAll(chunks).message.metadata).toEqual({ z: 0, a: { b: { c: 1, d: 2 } } });
  expect(chunks).toEqual(before);
});

test('what was cut stays open, as the SDK leaves it', async () => {
  const chunks = [
    { type: 'text-start', id: '1' },
    { type: 'text-delta', id: '1', delta: 'Hel' },
    { type: 'tool-input-start', toolCallId: 'c', toolName: 'weather' },
    { type: 'tool-input-delta', toolCallId: 'c', inputTextDelta: '{"city": "Ber' },
    { type: 'abort' },
  ];
  const { message } = foldAll(chunks);
  expect(message.parts).toEqual([
    { type: 'text', text: 'Hel', state: 'streaming' },
    {
      type: 'tool-weather',
      toolCallId: 'c',
      state: 'input-streaming',
      input: { city: 'Ber' },
      rawInput: '{"city": "Ber',
    },
  ]);
  for (const version of [5, 6, 7] as const)
    expect((await readBySdk(chunks, version)).message).toEqual(message);
});
