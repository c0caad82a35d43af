import type { Chunk } from './chunk.ts';

/**
 * The chunks of one data part that become one: its newest data, and the other fields that it came with first.
 * They are put together when they are read: a part of many fields may change 20,000 times.
 */
export class DataRun {
  readonly #first: Chunk;
  #data: unknown;

  constructor(first: Chunk) {
    this.#first = first;
    this.#data = first['data'];
  }

  replace(data: unknown): void {
    this.#data = data;
  }

  /** The run as one chunk; it stays as it is when the run goes on. */
  toChunk(): Chunk {
    return this.#data === this.#first['data'] ? this.#first : { ...this.#first, data: this.#data };
  }
}
