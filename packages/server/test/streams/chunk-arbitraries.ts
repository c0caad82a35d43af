import fc from 'fast-check';
import type { Chunk } from '../../src/streams/chunk.ts';

/** What a chunk may hold, by the AI SDK's version: the later ones know more. */
export interface Vocabulary {
  readonly version: 5 | 6 | 7;
}

const anyText = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom('', 'Grüße 👋', '\n', '"', '\\', '\u0000'),
);
/** Few, so that they meet; some are names that objects inherit. */
const anyId = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('1', '2') },
  { weight: 1, arbitrary: fc.constantFrom('3', '', '__proto__', 'constructor', 'toString') },
);
const anyTool = fc.constantFrom('weather', 'find-page', '', 'constructor');
const anyJson = fc.jsonValue({ maxDepth: 3 });
const anyKey = fc.constantFrom('a', 'b', 'c', 'constructor', 'prototype', 'toString');
const leaf = fc.constantFrom<unknown[]>(1, 'x', null, true, [1, { a: 2 }], {});
/** Objects that have keys in common, or merging would never meet two. */
const anyMetadata = fc.dictionary(
  anyKey,
  fc.oneof(
    leaf,
    fc.dictionary(anyKey, fc.oneof(leaf, fc.dictionary(anyKey, leaf, { maxKeys: 2 })), { maxKeys: 3 }),
  ),
  { maxKeys: 3 },
);
const aFlag = fc.constantFrom(true, false);

/** Text that looks like JSON, whole or cut, and sometimes like nothing. */
export const jsonText = fc.oneof(
  { weight: 4, arbitrary: anyJson.map((value) => JSON.stringify(value)) },
  { weight: 2, arbitrary: anyJson.map((value) => JSON.stringify(value, null, 1)) },
  { weight: 1, arbitrary: fc.string({ maxLength: 12 }) },
  {
    weight: 2,
    arbitrary: fc
      .array(fc.constantFrom(...'{}[]:,"\\ufalsetrun0123456789-+.eE \n'), { maxLength: 24 })
      .map((characters) => characters.join('')),
  },
);

type Fields = Readonly<Record<string, fc.Arbitrary<unknown>>>;

/** A chunk with all of `required` and any of `optional`. */
function chunk(type: string, required: Fields = {}, optional: Fields = {}): fc.Arbitrary<Chunk> {
  const fields = { type: fc.constant(type), ...required, ...optional };
  const requiredKeys = ['type', ...Object.keys(required)];
  return fc.record(fields, { requiredKeys: requiredKeys as never[] }) as fc.Arbitrary<Chunk>;
}

function pick<Value>(version: number, since: number, fields: Record<string, Value>): Record<string, Value> {
  return version >= since ? fields : {};
}

/** The chunks of one text or reasoning, in order. */
function textBlock(kind: 'text' | 'reasoning', id: string, { version }: Vocabulary): fc.Arbitrary<Chunk[]> {
  const described = { providerMetadata: anyJson };
  const ended = kind === 'text' ? pick(version, 7, { citations: fc.array(anyJson, { maxLength: 2 }) }) : {};
  const ids = { id: fc.constant(id) };
  return fc
    .tuple(
      chunk(`${kind}-start`, ids, described),
      fc.array(chunk(`${kind}-delta`, { ...ids, delta: anyText }, described), { maxLength: 5 }),
      fc.option(chunk(`${kind}-end`, ids, { ...described, ...ended }), { nil: null, freq: 8 }),
    )
    .map(([start, deltas, end]) => [start, ...deltas, ...(end === null ? [] : [end])]);
}

interface Call {
  readonly toolName: fc.Arbitrary<string>;
  readonly dynamic: fc.Arbitrary<boolean>;
  readonly text: fc.Arbitrary<string>;
}

/** Before version 7 the SDK mixes up calls with one id in one step, and reads some cut numbers and escapes as nothing. */
function callOf(toolCallId: string, version: number): Call {
  if (version === 7) return { toolName: anyTool, dynamic: aFlag, text: jsonText };
  return {
    toolName: fc.constant(`tool-${toolCallId}`),
    dynamic: fc.constant(toolCallId < '3'),
    text: fc.constantFrom('{"city": "Berlin", "days": 12, "units": {"short": true}}', '"text"', '{'),
  };
}

/** The chunks of one call of a tool, in order; it may end anywhere. */
function toolBlock(toolCallId: string, { version }: Vocabulary): fc.Arbitrary<Chunk[]> {
  return fc
    .record({
      ...callOf(toolCallId, version),
      cuts: fc.array(fc.nat(30), { maxLength: 4 }),
    })
    .chain(({ toolName, dynamic, text, cuts }) => {
      const ids = { toolCallId: fc.constant(toolCallId) };
      const call = {
        ...ids,
        toolName: fc.constant(toolName),
        ...(dynamic ? { dynamic: fc.constant(true) } : {}),
      };
      const facts = {
        ...pick(version, 6, { providerExecuted: aFlag, title: anyText, toolMetadata: anyMetadata }),
      };
      const described = { ...facts, ...pick(version, 7, { providerMetadata: anyJson }) };
      const { title: _, ...resultFacts } = described as Fields;
      const ofDynamic = dynamic ? { dynamic: fc.constant(true) } : {};
      const deltas = piecesOf(text, cuts).map((inputTextDelta) => ({
        type: 'tool-input-delta',
        toolCallId,
        inputTextDelta,
      }));
      const start = chunk('tool-input-start', call, {
        ...described,
        ...pick(version, 7, { inputEncoding: fc.constantFrom('json', 'text') }),
      });
      const inputEnd = fc.oneof(
        { weight: 3, arbitrary: chunk('tool-input-available', { ...call, input: anyJson }, described) },
        ...(version === 7
          ? [
              {
                weight: 1,
                arbitrary: chunk(
                  'tool-input-error',
                  { ...call, input: anyJson, errorText: anyText },
                  resultFacts,
                ),
              },
            ]
          : []),
      );
      const approvalId = fc.constant(`asks ${toolCallId}`);
      const approval = [
        chunk(
          'tool-approval-request',
          { ...ids, approvalId },
          {
            approvalDescriptor: anyJson,
            inputSchemaInput: anyJson,
            signature: anyText,
            ...pick(version, 7, { reason: anyText, isAutomatic: aFlag }),
          },
        ),
        ...(version === 7
          ? [
              chunk(
                'tool-approval-response',
                { approvalId, approved: aFlag },
                { reason: anyText, providerExecuted: aFlag, providerMetadata: anyJson },
              ),
            ]
          : []),
        chunk('tool-output-denied', ids),
      ];
      const output = { ...ids, ...ofDynamic, output: anyJson };
      const results = [
        chunk('tool-output-available', output, { ...resultFacts, preliminary: aFlag }),
        chunk('tool-output-available', output, { ...resultFacts, preliminary: aFlag }),
        chunk('tool-output-error', { ...ids, ...ofDynamic, errorText: anyText }, resultFacts),
        ...(version >= 6 ? approval : []),
      ];
      return fc
        .tuple(
          fc.option(start, { nil: null, freq: 4 }),
          fc.nat(deltas.length),
          fc.option(inputEnd, { nil: null, freq: 6 }),
          fc.array(fc.oneof(...results), { maxLength: 3 }),
        )
        .map(([begin, count, end, after]) => [
          ...(begin === null ? [] : [begin, ...deltas.slice(0, count)]),
          ...(end === null ? [] : [end]),
          ...(begin === null && end === null ? [] : after),
        ]);
    });
}

function piecesOf(text: string, cuts: readonly number[]): string[] {
  const ends = [...cuts.filter((cut) => cut < text.length), text.length].sort((one, other) => one - other);
  return ends.map((end, index) => text.slice(ends[index - 1] ?? 0, end));
}

function wholePart({ version }: Vocabulary): fc.Arbitrary<Chunk> {
  const described = { providerMetadata: anyJson };
  const data = chunk('data-progress', { data: anyJson }, { id: anyId, transient: aFlag });
  const otherData = chunk('data-', { data: anyJson }, { id: anyId, more: anyJson });
  const metadata = chunk('message-metadata', { messageMetadata: anyMetadata });
  const since7 = [
    chunk('custom', { kind: fc.constant('acme.note') }, described),
    chunk('reasoning-file', { url: anyText, mediaType: anyText }, described),
    chunk('steering-message', { id: anyId, parts: fc.array(anyJson, { maxLength: 2 }) }),
  ];
  return fc.oneof(
    data,
    data,
    otherData,
    chunk('source-url', { sourceId: anyId, url: anyText }, { title: anyText, ...described }),
    chunk(
      'source-document',
      { sourceId: anyId, mediaType: anyText, title: anyText },
      { filename: anyText, ...described },
    ),
    chunk('file', { url: anyText, mediaType: anyText }, version >= 6 ? described : {}),
    metadata,
    metadata,
    chunk('an-unknown-type', { anything: anyJson }),
    ...(version === 7 ? since7 : []),
  );
}

/** Blocks whose chunks are mixed, each in its own order: as merged streams are. */
function step(vocabulary: Vocabulary): fc.Arbitrary<Chunk[]> {
  const block = fc.oneof(
    anyId.chain((id) => textBlock('text', id, vocabulary)),
    anyId.chain((id) => textBlock('reasoning', id, vocabulary)),
    anyId.chain((id) => toolBlock(id, vocabulary)),
    fc.array(wholePart(vocabulary), { maxLength: 3 }),
    // Of another stream that is merged into this one.
    fc.constantFrom<Chunk[]>([{ type: 'start-step' }], [{ type: 'start', messageId: '2' }]),
  );
  const ended = fc.constantFrom(
    ['finish-step'],
    ['finish-step'],
    ['finish-step'],
    [],
    ...(vocabulary.version === 7 ? [['reset-step']] : []),
  );
  return fc
    .tuple(
      fc.array(block, { maxLength: 4 }),
      fc.array(fc.nat(100), { minLength: 1, maxLength: 40 }),
      aFlag,
      ended,
    )
    .map(([blocks, choices, isMarked, ends]) => [
      ...(isMarked ? [{ type: 'start-step' }] : []),
      ...shuffle(blocks, choices),
      ...ends.map((type) => ({ type })),
    ]);
}

function shuffle(blocks: readonly Chunk[][], choices: readonly number[]): Chunk[] {
  const left = blocks.map((block) => [...block]).filter((block) => block.length > 0);
  const mixed: Chunk[] = [];
  while (left.length > 0) {
    const at = choices[mixed.length % choices.length]! % left.length;
    mixed.push(left[at]!.shift()!);
    if (left[at]!.length === 0) left.splice(at, 1);
  }
  return mixed;
}

/**
 * Streams as agents send them: a start, some steps, an end. Ids meet and parts stay open, so now and then a chunk
 * has no place.
 */
export function stream(vocabulary: Vocabulary): fc.Arbitrary<Chunk[]> {
  const start = chunk('start', {}, { messageId: anyId, messageMetadata: anyMetadata });
  const end = fc.oneof(
    chunk('finish', {}, { finishReason: fc.constantFrom('stop', 'length'), messageMetadata: anyMetadata }),
    chunk('abort'),
    chunk('error', { errorText: anyText }),
  );
  const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) =>
    fc.option(arbitrary, { nil: null, freq: 5 }).map((value) => (value === null ? [] : [value]));
  return fc
    .tuple(maybe(start), fc.array(step(vocabulary), { maxLength: 3 }), maybe(end))
    .map(([starts, steps, ends]) => [...starts, ...steps.flat(), ...ends]);
}

/** The same with chunks lost, doubled, and put elsewhere. */
export function disturbedStream(vocabulary: Vocabulary): fc.Arbitrary<Chunk[]> {
  const change = fc.record({ kind: fc.constantFrom('lose', 'double', 'move'), at: fc.nat(), to: fc.nat() });
  return fc.tuple(stream(vocabulary), fc.array(change, { maxLength: 4 })).map(([chunks, changes]) => {
    const result = [...chunks];
    for (const { kind, at, to } of changes) {
      if (result.length === 0) break;
      const [taken] =
        kind === 'double' ? [result[at % result.length]!] : result.splice(at % result.length, 1);
      if (kind !== 'lose') result.splice(to % (result.length + 1), 0, taken!);
    }
    return result;
  });
}

const fieldNames = [
  'id',
  'delta',
  'toolCallId',
  'toolName',
  'input',
  'output',
  'data',
  'messageMetadata',
  'messageId',
];
const moreNames = [
  'providerMetadata',
  'dynamic',
  'parts',
  'approved',
  'approvalId',
  'title',
  'transient',
  'type',
];
const evil = fc.constantFrom<unknown[]>(
  JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}'),
  JSON.parse('{"a": {"__proto__": {"polluted": true}}}'),
);

/** What to put where into a stream's chunks, to damage them. */
export const anyChunkFields = fc.tuple(
  fc.nat(),
  fc.constantFrom(...fieldNames, ...moreNames),
  fc.oneof(anyJson, evil, anyId, fc.constant(undefined), fc.constant(null)),
);
