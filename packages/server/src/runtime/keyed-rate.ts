import { LRUCache } from 'lru-cache';
import { type Rate, TokenBucket } from './token-bucket.ts';

/**
 * Most keys that are remembered: some MiB. Whoever drops out, as the one that was silent longest, starts again with
 * a full bucket, which it has anyway after a few seconds of silence.
 */
const maxKeys = 100_000;

/** A token bucket for each key. Without a rate everything is allowed. Owns no timer: old keys drop out by use. */
export class KeyedRate {
  readonly #rate: Rate | null;
  readonly #buckets = new LRUCache<string, TokenBucket>({ max: maxKeys });

  constructor(rate: Rate | null) {
    this.#rate = rate;
  }

  /** Takes one or more of the key's tokens; false when it has none. */
  take(key: string, count = 1): boolean {
    if (this.#rate === null) return true;
    const nowMs = performance.now();
    const known = this.#buckets.get(key);
    if (known) return known.take(nowMs, count);
    const bucket = new TokenBucket(this.#rate, nowMs);
    this.#buckets.set(key, bucket);
    return bucket.take(nowMs, count);
  }

  /** Whether the key has no token; takes none. */
  isEmpty(key: string): boolean {
    return this.#buckets.get(key)?.isEmpty(performance.now()) ?? false;
  }
}
