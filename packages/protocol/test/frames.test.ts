import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBinaryPush, type Ref, type Serializer, serializerV1, serializerV2 } from '../src/frames.ts';

/** Any UTF-16 at all, lone surrogates included. */
const anyText = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 30 })
  .map((units) => String.fromCharCode(...units));
const text = fc.string({ unit: 'grapheme' });
const ref: fc.Arbitrary<Ref> = fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null));
const payload = fc.jsonValue();
const versions: [name: string, serializer: Serializer][] = [
  ['V1', serializerV1],
  ['V2', serializerV2],
];

/** A client's frame as each version writes it. */
function encode(version: 1 | 2, [joinRef, r, topic, event, data]: unknown[]): string {
  return version === 2
    ? JSON.stringify([joinRef, r, topic, event, data])
    : JSON.stringify({ join_ref: joinRef, ref: r, topic, event, payload: data });
}

/** What a client reads of a server's frame: join_ref is not sent by V1. */
function read(version: 1 | 2, frame: string): unknown {
  const value = JSON.parse(frame);
  if (version === 2) return value;
  expect(Object.keys(value)).toEqual(['topic', 'event', 'payload', 'ref']);
  return [undefined, value.ref, value.topic, value.event, value.payload];
}

describe.each(versions)('%s', (_name, serializer) => {
  const { version } = serializer;
  const seen = (joinRef: unknown) => (version === 2 ? joinRef : undefined);

  test('property: what a client sends is read as it was meant', () => {
    fc.assert(
      fc.property(ref, ref, text, text, payload, (joinRef, r, topic, event, data) => {
        const json = encode(version, [joinRef, r, topic, event, data]);
        expect(serializer.decode(json)).toEqual({
          joinRef,
          ref: r,
          topic,
          event,
          payload: JSON.parse(JSON.stringify(data)),
        });
      }),
    );
  });

  test('property: what the server writes is JSON of the frame', () => {
    fc.assert(
      fc.property(ref, ref, anyText, anyText, payload, (joinRef, r, topic, event, data) => {
        const json = JSON.stringify(data);
        const value = JSON.parse(json);
        expect(read(version, serializer.push(joinRef, r, topic, event, json))).toEqual([
          seen(joinRef),
          r,
          topic,
          event,
          value,
        ]);
        expect(read(version, serializer.broadcast(topic, event, json))).toEqual([
          seen(null),
          null,
          topic,
          event,
          value,
        ]);
        for (const status of ['ok', 'error'] as const) {
          expect(read(version, serializer.reply(joinRef, r, topic, status, json))).toEqual([
            seen(joinRef),
            r,
            topic,
            'phx_reply',
            { status, response: value },
          ]);
        }
      }),
    );
  });

  test('fuzz: no text makes it throw, and whatever it reads can be answered', () => {
    const json = fc.oneof(
      anyText,
      payload.map((value) => JSON.stringify(value)),
      fc.array(payload, { maxLength: 7 }).map((value) => JSON.stringify(value)),
      fc.array(payload, { minLength: 5, maxLength: 5 }).map((value) => encode(version, value)),
      fc.tuple(text, text).map(([start, end]) => `${start}["1","1","t","e",{}]${end}`),
    );
    fc.assert(
      fc.property(json, (input) => {
        const frame = serializer.decode(input);
        if (frame === null) return;
        const { joinRef, ref: r, topic } = frame;
        for (const each of [joinRef, r, topic, frame.event]) expect(typeof (each ?? '')).not.toBe('object');
        expect(read(version, serializer.reply(joinRef, r, topic, 'error', '{}'))).toEqual([
          seen(joinRef),
          r,
          topic,
          'phx_reply',
          { status: 'error', response: {} },
        ]);
      }),
      { numRuns: 1_000 },
    );
  });

  test.each([
    ['empty', ''],
    ['no JSON', '["3","3"'],
    ['a text', '"hello"'],
    ['a number', '5'],
    ['null', 'null'],
    ['an endless list', '['.repeat(60_000)],
  ])('malformed: %s', (_what, input) => {
    expect(serializer.decode(input)).toBeNull();
  });
});

describe('the shape of V2', () => {
  test.each([
    ['an object', '{"topic":"t","event":"e","payload":{}}'],
    ['an empty list', '[]'],
    ['four elements', '["1","1","t","e"]'],
  ])('malformed: %s', (_what, input) => {
    expect(serializerV2.decode(input)).toBeNull();
  });

  test('more elements than five are ignored', () => {
    expect(serializerV2.decode('["1","2","t","e",{},6,[7]]')).toEqual({
      joinRef: '1',
      ref: '2',
      topic: 't',
      event: 'e',
      payload: {},
    });
  });

  test('lists and objects are no references', () => {
    const frame = serializerV2.decode('[{},[1],{"a":1},[],5]');
    expect(frame).toEqual({ joinRef: null, ref: null, topic: null, event: null, payload: 5 });
  });

  test('numbers stay numbers', () => {
    expect(serializerV2.decode('[3,4,5,6,{}]')).toMatchObject({ joinRef: 3, ref: 4, topic: 5, event: 6 });
  });
});

describe('the shape of V1', () => {
  test.each([
    ['a list', '["1","1","t","e",{}]'],
    ['no topic', '{"event":"e","payload":{}}'],
    ['no event', '{"topic":"t","payload":{}}'],
    ['fields of the prototype only', '{"__proto__":{"topic":"t","event":"e"}}'],
  ])('malformed: %s', (_what, input) => {
    expect(serializerV1.decode(input)).toBeNull();
  });

  test('refs may be left out', () => {
    expect(serializerV1.decode('{"topic":"t","event":"e","payload":{}}')).toEqual({
      joinRef: null,
      ref: null,
      topic: 't',
      event: 'e',
      payload: {},
    });
  });
});

describe('binary pushes', () => {
  const field = fc.string({ unit: 'binary', maxLength: 60 });

  /** As `serializer.js` writes it: lengths are bytes. */
  function encodeBinary(fields: readonly string[], data: Uint8Array): Uint8Array {
    const parts = fields.map((each) => Buffer.from(each));
    return Buffer.concat([Buffer.from([0, ...parts.map(({ length }) => length)]), ...parts, data]);
  }

  test('property: the header is read as it was meant', () => {
    fc.assert(
      fc.property(fc.tuple(field, field, field, field), fc.uint8Array(), (fields, data) => {
        const [joinRef, r, topic, event] = fields;
        expect(decodeBinaryPush(encodeBinary(fields, data))).toEqual({
          joinRef: joinRef || null,
          ref: r || null,
          topic,
          event,
        });
      }),
      { numRuns: 500 },
    );
  });

  test('the frame that the official client sends', () => {
    const frame = Buffer.from([0, 1, 1, 9, 3, ...Buffer.from('35session:1bin'), 1, 2]);
    expect(decodeBinaryPush(frame)).toEqual({ joinRef: '3', ref: '5', topic: 'session:1', event: 'bin' });
  });

  test('a byte order mark belongs to its field', () => {
    expect(decodeBinaryPush(encodeBinary(['1', '2', '\ufefft', 'e'], Buffer.of()))?.topic).toBe('\ufefft');
  });

  test('property: a frame that is cut off anywhere in its header is malformed', () => {
    fc.assert(
      fc.property(fc.tuple(field, field, field, field), fc.nat(), (fields, cut) => {
        const frame = encodeBinary(fields, Buffer.of());
        expect(decodeBinaryPush(frame.subarray(0, cut % frame.length))).toBeNull();
      }),
    );
  });

  test('fuzz: no bytes make it throw; other kinds are malformed', () => {
    const likely = fc.uint8Array({ maxLength: 30 }).map((bytes) => Uint8Array.of(0, ...bytes));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), likely), (bytes) => {
        const push = decodeBinaryPush(bytes);
        if (bytes[0] !== 0) expect(push).toBeNull();
      }),
      { numRuns: 1_000 },
    );
  });
});
