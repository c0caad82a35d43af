import type { Chunk } from './chunk.ts';

interface DeltaFields {
  readonly id: 'id' | 'toolCallId';
  readonly text: 'delta' | 'inputTextDelta';
}

const ofText: DeltaFields = { id: 'id', text: 'delta' };
const deltaFields: ReadonlyMap<string, DeltaFields> = new Map([
  ['text-delta', ofText],
  ['reasoning-delta', ofText],
  ['tool-input-delta', { id: 'toolCallId', text: 'inputTextDelta' }],
]);

/** Whether the chunk is a piece of a text and nothing else, so that it may be joined with others of its part. */
export function isPlainDelta(chunk: Chunk): boolean {
  if (!deltaFields.has(chunk.type)) return false;
  let fields = 0;
  for (const _ in chunk) fields += 1;
  return fields === 3;
}

/** What deltas of one part have in common. */
export function deltaKey(type: string, id: unknown): string {
  return `${type} ${id}`;
}

/** The key of a plain delta. */
export function keyOfDelta(chunk: Chunk): string {
  return deltaKey(chunk.type, chunk[deltaFields.get(chunk.type)!.id]);
}

/**
 * Plain deltas of one part that become one chunk. The text grows as a rope: adding costs the same however long it
 * is, and no chunk is copied.
 */
export class DeltaRun {
  readonly key: string;
  readonly #first: Chunk;
  readonly #fields: DeltaFields;
  #text: string;

  constructor(first: Chunk) {
    this.#first = first;
    this.key = keyOfDelta(first);
    this.#fields = deltaFields.get(first.type)!;
    this.#text = this.#textOf(first);
  }

  /** Length of its text, in UTF-16 units. */
  get length(): number {
    return this.#text.length;
  }

  add(chunk: Chunk): void {
    this.#text += this.#textOf(chunk);
  }

  /** The run as one chunk; it stays as it is when the run goes on. */
  toChunk(): Chunk {
    const { id, text } = this.#fields;
    if (this.#text === this.#first[text]) return this.#first;
    return { type: this.#first.type, [id]: this.#first[id], [text]: this.#text };
  }

  #textOf(chunk: Chunk): string {
    return chunk[this.#fields.text] as string;
  }
}
