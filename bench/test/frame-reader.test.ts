import { describe, expect, test } from 'vitest';
import { FrameReader } from '../src/load/frame-reader.ts';

/** What a server sends: a text, longer ones with longer lengths; a ping within a fragmented text; a close. */
const [short, middle, long] = ['short', 'm'.repeat(300), 'л'.repeat(40_000)];
const stream = Buffer.concat([
  frame(0x81, short),
  frame(0x81, middle),
  frame(0x01, 'in two '),
  frame(0x89, 'beat'),
  frame(0x80, 'parts'),
  frame(0x81, long),
  frame(0x88, ''),
]);
const expected = [short, middle, 'ping beat', 'in two parts', long, 'close'];

function frame(first: number, text: string): Buffer {
  const payload = Buffer.from(text);
  if (payload.length < 126) return Buffer.concat([Buffer.from([first, payload.length]), payload]);
  const header = Buffer.alloc(payload.length < 65_536 ? 4 : 10);
  header[0] = first;
  header[1] = header.length === 4 ? 126 : 127;
  if (header.length === 4) header.writeUInt16BE(payload.length, 2);
  else header.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([header, payload]);
}

function readIn(chunks: readonly Buffer[]): string[] {
  const seen: string[] = [];
  const reader = new FrameReader({
    onText: (payload) => seen.push(payload.toString()),
    onPing: (payload) => seen.push(`ping ${payload}`),
    onClose: () => seen.push('close'),
  });
  for (const chunk of chunks) {
    // A socket's buffers are used again.
    const buffer = Buffer.from(chunk);
    reader.read(buffer);
    buffer.fill(0);
  }
  return seen;
}

describe('frames come out whole, however they come in', () => {
  const cut = (bytes: Buffer, size: number) =>
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
      bytes.subarray(n * size, (n + 1) * size),
    );

  test.each([1_000, 65_536, stream.length])('%i bytes at a time', (size) => {
    expect(readIn(cut(stream, size))).toEqual(expected);
  });

  test.each([1, 2, 3, 7])('%i bytes at a time, all but the long one', (size) => {
    expect(readIn(cut(stream.subarray(0, 400), size))).toEqual(expected.slice(0, 4));
  });
});

test('a kind that no server sends', () => {
  expect(() => readIn([frame(0x83, 'reserved')])).toThrow('a frame of kind 3');
});
