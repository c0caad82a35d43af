import { describe, expect, test } from 'vitest';
import { FrameReader } from '../src/load/frame-reader.ts';

const final = 0x80;
const opcodes = { continuation: 0, text: 1, close: 8, ping: 9 };

/** A frame as a server writes it: without a mask, the length in the fewest bytes. */
function frame(first: number, payload: string): Buffer {
  const bytes = Buffer.from(payload);
  const { length } = bytes;
  if (length < 126) return Buffer.concat([Buffer.from([first, length]), bytes]);
  const header = Buffer.alloc(length < 65_536 ? 4 : 10);
  header[0] = first;
  header[1] = length < 65_536 ? 126 : 127;
  if (length < 65_536) header.writeUInt16BE(length, 2);
  else header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, bytes]);
}

const text = (payload: string) => frame(final | opcodes.text, payload);

/** What a reader makes of these chunks. */
function read(...chunks: readonly Buffer[]): string[] {
  const events: string[] = [];
  const reader = new FrameReader({
    onText: (payload) => events.push(payload.toString()),
    onPing: (payload) => events.push(`ping ${payload.toString()}`),
    onClose: () => events.push('close'),
  });
  for (const chunk of chunks) reader.read(chunk);
  return events;
}

describe('FrameReader', () => {
  test.each([0, 1, 125, 126, 127, 65_535, 65_536, 200_000])('reads a text of %i bytes', (length) => {
    const payload = 'x'.repeat(length);
    expect(read(text(payload))).toEqual([payload]);
  });

  test('reads frames that come in one chunk, in their order', () => {
    const long = 'y'.repeat(300);
    expect(read(Buffer.concat([text('a'), text(long), text('ü')]))).toEqual(['a', long, 'ü']);
  });

  test.each([
    ['short', 'a', 'ü'],
    ['of 16 bits', 'y'.repeat(126), 'z'.repeat(130)],
  ])('reads frames with a length that is %s, cut at each byte', (_name, one, other) => {
    const bytes = Buffer.concat([text(one), text(other)]);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      expect(read(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual([one, other]);
    }
  });

  test('reads a length of 64 bits, cut at each byte of its header', () => {
    const payload = 'z'.repeat(65_536);
    const bytes = text(payload);
    for (let cut = 0; cut <= 10; cut += 1) {
      expect(read(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual([payload]);
    }
  });

  test('reads what comes byte by byte', () => {
    const bytes = Buffer.concat([text('ab'), text('y'.repeat(126)), frame(final | opcodes.ping, 'p')]);
    expect(read(...Array.from(bytes, (byte) => Buffer.from([byte])))).toEqual([
      'ab',
      'y'.repeat(126),
      'ping p',
    ]);
  });

  test('keeps bytes of its own of what is not complete', () => {
    const bytes = text('abc');
    const half = Buffer.from(bytes.subarray(0, 3));
    const events: string[] = [];
    const reader = new FrameReader({
      onText: (payload) => events.push(payload.toString()),
      onPing: () => {},
      onClose: () => {},
    });
    reader.read(half);
    half.fill(0);
    reader.read(bytes.subarray(3));
    expect(events).toEqual(['abc']);
  });

  test('joins fragments, also with a ping between them', () => {
    const chunks = [
      frame(opcodes.text, 'one '),
      frame(opcodes.continuation, 'two '),
      frame(final | opcodes.ping, 'still there?'),
      frame(final | opcodes.continuation, 'three'),
      text('next'),
    ];
    const expected = ['ping still there?', 'one two three', 'next'];
    expect(read(...chunks)).toEqual(expected);
    const bytes = Buffer.concat(chunks);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      expect(read(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual(expected);
    }
  });

  test('tells of a close, with its code or without', () => {
    expect(read(frame(final | opcodes.close, ''))).toEqual(['close']);
    expect(read(text('last'), frame(final | opcodes.close, '\x03\xe8bye'))).toEqual(['last', 'close']);
  });

  test('refuses what no text protocol sends', () => {
    expect(() => read(frame(final | 2, 'binary'))).toThrow('a frame of kind 2');
  });
});
