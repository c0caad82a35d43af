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
