import type { Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as ws from 'ws';
import { encodePongFrame, encodeTextFrame } from '../../src/lib/websocket-frame.ts';

/** ws exports it, its types do not. */
const { Receiver } = ws as unknown as { readonly Receiver: new (options: object) => Writable };

/** What ws reads from these bytes, handed over in pieces of `pieceBytes`. */
async function receive(bytes: Buffer, pieceBytes = bytes.length): Promise<string[]> {
  const receiver = new Receiver({ isServer: false, maxPayload: 1 << 20 });
  const texts: string[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  receiver.on(
    'message',
    (data: Buffer, isBinary: boolean) => void texts.push(isBinary ? 'binary' : data.toString()),
  );
  receiver.on('error', reject);
  receiver.on('finish', resolve);
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    receiver.write(bytes.subarray(start, start + pieceBytes));
  }
  receiver.end();
  await promise;
  return texts;
}

describe('ws reads what was written', () => {
  test.each([
    [0, 2],
    [1, 2],
    [125, 2],
    [126, 4],
    [127, 4],
    [65_535, 4],
    [65_536, 10],
    [65_537, 10],
    [200_000, 10],
  ])('%i bytes, with a header of %i', async (size, headerSize) => {
    const text = 'x'.repeat(size);
    const frame = encodeTextFrame(text);
    expect(frame.length).toBe(headerSize + size);
    expect(await receive(frame)).toEqual([text]);
  });

  test.each([
    [123, 2],
    [124, 4],
    [65_533, 4],
    [65_534, 10],
  ])('lengths are bytes: %i and one of two', async (size, headerSize) => {
    const text = `${'x'.repeat(size)}é`;
    const frame = encodeTextFrame(text);
    expect(frame.length).toBe(headerSize + size + 2);
    expect(await receive(frame)).toEqual([text]);
  });

  test('property: any texts, behind each other, in pieces', async () => {
    const texts = fc.array(fc.string({ unit: 'binary', maxLength: 200 }), { minLength: 1, maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(texts, fc.integer({ min: 1, max: 300 }), async (all, pieceBytes) => {
        expect(await receive(Buffer.concat(all.map(encodeTextFrame)), pieceBytes)).toEqual(all);
      }),
    );
  });
});

test.each([0, 1, 125])('ws reads a pong of %i bytes', async (size) => {
  const receiver = new Receiver({ isServer: false });
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  receiver.on('pong', resolve);
  receiver.write(encodePongFrame(Buffer.alloc(size, 'x')));
  expect((await promise).toString()).toBe('x'.repeat(size));
});
