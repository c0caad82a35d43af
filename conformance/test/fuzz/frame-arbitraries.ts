import fc from 'fast-check';

/** One thing that a client does to its socket. */
export type Act =
  | { readonly kind: 'text'; readonly payload: Buffer; readonly cuts: readonly number[] }
  | { readonly kind: 'binary'; readonly payload: Buffer; readonly cuts: readonly number[] }
  | { readonly kind: 'ping'; readonly payload: Buffer };

/** What exists on the server, so that some frames mean something. */
export interface Known {
  readonly sessionTopic: string;
  readonly inboxTopic: string;
}

export interface Script {
  readonly known: Known;
  readonly vsn: '1.0.0' | '2.0.0';
  readonly acts: readonly Act[];
  /** Bytes below the WebSocket protocol, as the last thing that the client says. */
  readonly garbage: Buffer | null;
}

/** Everything that a client may say, some of it sensible. */
export function scriptArbitrary(known: Known): fc.Arbitrary<Script> {
  const versioned = fc
    .constantFrom('2.0.0' as const, '2.0.0' as const, '1.0.0' as const)
    .chain((vsn) => fc.record({ vsn: fc.constant(vsn), acts: actsArbitrary(known, vsn) }));
  return fc
    .tuple(versioned, fc.option(bytes(64), { nil: null, freq: 4 }))
    .map(([script, garbage]) => ({ ...script, garbage, known }));
}

/** Frames that are answered or dropped; then, half of the time, what the socket is closed for. */
function actsArbitrary(known: Known, vsn: Script['vsn']): fc.Arbitrary<Act[]> {
  const frame = frameArbitrary(known);
  const join: Parts = ['1', '1', known.sessionTopic, 'phx_join', {}];
  const first = fc.constant(encode(join, vsn)).map((payload): Act => ({ kind: 'text', payload, cuts: [] }));
  const wellFormed = weighted<Act>(
    [
      16,
      toAct(
        'text',
        frame.map((parts) => encode(parts, vsn)),
      ),
    ],
    [
      2,
      toAct(
        'text',
        frame.map((parts) => escapeAll(encode(parts, vsn).toString())),
      ),
    ],
    [2, toAct('binary', frame.map(encodeBinary))],
    [1, fc.record({ kind: fc.constant('ping' as const), payload: bytes(100) })],
  );
  return fc
    .tuple(
      fc.option(first, { nil: null, freq: 3 }),
      // Uniformly long: fast-check would make most of them short.
      fc.array(wellFormed, { minLength: 1, maxLength: 20, size: 'max' }),
      fc.array(oddAct(frame, vsn), { maxLength: 2 }),
    )
    .map(([joining, acts, odd]) => [...(joining === null ? [] : [joining]), ...acts, ...odd]);
}

function oddAct(frame: fc.Arbitrary<Parts>, vsn: Script['vsn']): fc.Arbitrary<Act> {
  const depths = fc.integer({ min: 1, max: 30_000 });
  return weighted<Act>(
    [
      3,
      toAct(
        'text',
        fc.tuple(frame, mutationArbitrary).map(([parts, mutate]) => mutate(encode(parts, vsn))),
      ),
    ],
    [1, toAct('text', fc.oneof(anyJson, fc.array(anyJson, { maxLength: 8 })).map(toBuffer))],
    [
      1,
      toAct(
        'text',
        anyText.map((value) => Buffer.from(value)),
      ),
    ],
    [1, toAct('text', bytes(40))],
    [
      1,
      toAct(
        'text',
        depths.map((depth) => Buffer.from('['.repeat(depth) + ']'.repeat(depth))),
      ),
    ],
    [1, toAct('text', fc.constant(Buffer.from(`["1","1","x","y",{"a":"${'x'.repeat(70_000)}"}]`)))],
    [2, toAct('binary', bytes(40))],
  );
}

function toAct(kind: 'text' | 'binary', payload: fc.Arbitrary<Buffer>): fc.Arbitrary<Act> {
  const cuts = weighted([2, fc.constant<number[]>([])], [1, fc.array(fc.nat(200), { maxLength: 6 })]);
  return fc.record({ kind: fc.constant(kind), payload, cuts });
}

/** join_ref, ref, topic, event, payload. */
type Parts = readonly [unknown, unknown, unknown, unknown, unknown];

function frameArbitrary({ sessionTopic, inboxTopic }: Known): fc.Arbitrary<Parts> {
  const joinRef = weighted<unknown>([9, fc.constantFrom('1', '1', '1', null, '2', 1)], [1, refArbitrary]);
  const ref = weighted<unknown>([4, fc.nat(99).map(String)], [1, refArbitrary]);
  const topic = weighted<unknown>(
    [8, fc.constant(sessionTopic)],
    [2, fc.constant(inboxTopic)],
    [1, fc.constantFrom('phoenix', 'session:', 'session:01ARZ3NDEKTSV4RRFFQ69G5FAV', 'inbox:user:other', '')],
    [1, fc.oneof(anyText, anyJson)],
  );
  const said = weighted<readonly [unknown, unknown]>(
    [4, fc.tuple(fc.constant('send'), sendPayload)],
    [3, fc.tuple(fc.constantFrom('phx_join', 'history', 'read', 'phx_leave'), fieldsPayload)],
    [3, fc.tuple(eventArbitrary, fc.oneof(sendPayload, fieldsPayload, someJson))],
  );
  return fc.tuple(joinRef, ref, topic, said).map(([one, two, three, rest]) => [one, two, three, ...rest]);
}

const anyText = fc.string({ unit: 'binary', maxLength: 20 });
/** With keys that are special to JavaScript, and texts that are special to Postgres. */
const anyJson = fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' });
const oddJson = fc.constantFrom(
  null,
  '\u0000',
  '\ud800',
  'x'.repeat(5_000),
  2 ** 60,
  1e300,
  -0,
  [],
  { constructor: { prototype: {} } },
  JSON.parse('{"__proto__":{"polluted":true}}'),
  nest(40),
);
const someJson = fc.oneof(anyJson, oddJson);

const refArbitrary = fc.oneof(
  someJson,
  anyText,
  fc.double(),
  fc.constantFrom(1, 1.5, true, 'x'.repeat(10_000), '\u2028'),
);

const eventArbitrary = weighted<unknown>(
  [4, fc.constantFrom('phx_join', 'phx_leave', 'send', 'history', 'read')],
  [2, fc.constantFrom('phx_close', 'phx_error', 'phx_reply', 'heartbeat', 'stop', 'message', '__proto__')],
  [1, fc.oneof(anyText, anyJson)],
);

const sendPayload = fc.record(
  {
    content: fc.oneof(
      fc.constant({ content: { text: 'hello' } }),
      fc.record(
        { content: someJsonObject(), kind: maybe(), metadata: maybe() },
        { requiredKeys: ['content'] },
      ),
    ),
    client_id: maybe(),
    sender_id: maybe(),
  },
  { requiredKeys: ['content'] },
);

const fieldsPayload = weighted<unknown>(
  [1, fc.constant({})],
  [
    1,
    fc.record(
      {
        last_seq: maybe(),
        limit: maybe(),
        after_seq: maybe(),
        before_seq: maybe(),
        seq: maybe(),
        message_id: maybe(),
        participant_id: maybe(),
      },
      { requiredKeys: [] },
    ),
  ],
);

function someJsonObject(): fc.Arbitrary<unknown> {
  return fc.oneof(fc.dictionary(anyText, someJson, { maxKeys: 4 }), fc.constant({ text: 'hello' }));
}

/** A value that may be right, or of another type. */
function maybe(): fc.Arbitrary<unknown> {
  return fc.oneof(fc.integer({ min: -1, max: 300 }), fc.constantFrom('text', 'k1', 'k2', null), someJson);
}

/** Bytes put in, taken out, or replaced. */
const mutationArbitrary = fc
  .array(fc.tuple(fc.nat(300), fc.nat(3), bytes(3)), { minLength: 1, maxLength: 3 })
  .map((mutations) => (original: Buffer) => {
    let mutated = original;
    for (const [at, removed, added] of mutations) {
      const start = Math.min(at, mutated.length);
      mutated = Buffer.concat([mutated.subarray(0, start), added, mutated.subarray(start + removed)]);
    }
    return mutated;
  });

function encode([joinRef, ref, topic, event, payload]: Parts, vsn: Script['vsn']): Buffer {
  const frame =
    vsn === '2.0.0'
      ? [joinRef, ref, topic, event, payload]
      : { join_ref: joinRef, ref, topic, event, payload };
  return Buffer.from(JSON.stringify(frame));
}

/** The same JSON, with each letter of it as an escape. */
function escapeAll(json: string): Buffer {
  const escaped = json.replace(/"(?:[^"\\]|\\.)*"/g, (text) =>
    text.replace(/[a-z]/g, (letter, at) =>
      text[at - 1] === '\\' || /\\u[0-9a-f]{0,3}$/.test(text.slice(0, at))
        ? letter
        : `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  );
  return Buffer.from(escaped);
}

function encodeBinary([joinRef, ref, topic, event]: Parts): Buffer {
  const fields = [joinRef, ref, topic, event].map((field) =>
    Buffer.from(typeof field === 'string' ? field : '').subarray(0, 255),
  );
  return Buffer.concat([Buffer.from([0, ...fields.map(({ length }) => length)]), ...fields]);
}

function toBuffer(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function bytes(maxLength: number): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
}

function weighted<T>(...choices: readonly (readonly [number, fc.Arbitrary<T>])[]): fc.Arbitrary<T> {
  return fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
}

function nest(levels: number): unknown {
  return levels === 0 ? 1 : { a: nest(levels - 1) };
}
