/**
 * What was read from the last few frames, by their bytes. A broadcast comes to thousands of sockets as the
 * same bytes: comparing them costs a fraction of reading them.
 */
export class FrameMemo {
  readonly #read: (bytes: Buffer) => number | null;
  readonly #size: number;
  readonly #frames: Buffer[] = [];
  readonly #values: number[] = [];
  /** Where the next hit should be: each socket gets the same frames in the same order. */
  #expected = 0;
  #oldest = 0;

  /** Keeps `size` frames: as many as go round among the sockets at a time. */
  constructor(size: number, read: (bytes: Buffer) => number | null) {
    this.#size = size;
    this.#read = read;
  }

  /** What `read` says of these bytes. Frames of which it says null are not kept. */
  get(bytes: Buffer): number | null {
    const { length } = this.#frames;
    for (let step = 0; step < length; step += 1) {
      const slot = (this.#expected + step) % length;
      if (!isSame(this.#frames[slot]!, bytes)) continue;
      this.#expected = slot + 1;
      return this.#values[slot]!;
    }
    const value = this.#read(bytes);
    if (value !== null) this.#keep(bytes, value);
    return value;
  }

  #keep(bytes: Buffer, value: number): void {
    this.#frames[this.#oldest] = Buffer.from(bytes);
    this.#values[this.#oldest] = value;
    this.#oldest = (this.#oldest + 1) % this.#size;
    this.#expected = this.#oldest;
  }
}

function isSame(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && one.equals(other);
}
