import { LRUCache } from 'lru-cache';

export interface CacheOptions<Value> {
  readonly maxBytes: number;
  readonly ttlMs: number;
  /** Roughly what a value takes in memory. */
  readonly sizeOf: (value: Value) => number;
}

/** Of an entry itself: its key, its place in the list. Keeps many tiny values from being free. */
const entryBytes = 200;

/**
 * What actors leave behind when they are passivated, so that they come back warm: the least recently used goes
 * first when the bytes are used up. What it gives may be out of date; whoever takes it must look.
 */
export class Cache<Key extends string, Value extends object> {
  readonly #entries: LRUCache<Key, Value>;

  constructor({ maxBytes, ttlMs, sizeOf }: CacheOptions<Value>) {
    this.#entries = new LRUCache<Key, Value>({
      maxSize: maxBytes,
      ttl: ttlMs,
      sizeCalculation: (value) => sizeOf(value) + entryBytes,
    });
  }

  /** How much is kept now. */
  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  put(key: Key, value: Value): void {
    this.#entries.set(key, value);
  }

  /** Gives a value away: an actor that comes back owns it again. */
  take(key: Key): Value | undefined {
    const value = this.#entries.get(key);
    this.#entries.delete(key);
    return value;
  }
}
