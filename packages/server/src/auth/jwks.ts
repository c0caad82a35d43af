import { createLocalJWKSet, errors, type JWTVerifyGetKey, type LocalJWKSet } from 'jose';
import type { Log } from '../lib/log.ts';
import { fetchJwks } from './fetch-jwks.ts';

export interface JwksOptions {
  readonly url: string;
  /** Aborted: nothing is fetched any more. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** For tests: a clock in milliseconds. */
  readonly now?: () => number;
}

/** Older keys are fetched anew while they are used: a revoked one is gone after this and the time of a fetch. */
const freshMs = 5 * 60_000;

/** Older keys are not used: by then, tokens that were issued before the issuer fell silent are over too. */
const maxAgeMs = 60 * 60_000;

/** Between fetches while there are keys: tokens with unknown key ids can be made by anybody, in any number. */
const cooldownMs = 60_000;

/** Between fetches while there are no keys and nobody can connect: soon, but not once per client that tries. */
const retryMs = 5_000;

/** There are no keys, or none that are young enough, and the issuer does not answer: nobody's token can be judged. */
export class KeysUnavailableError extends Error {
  constructor() {
    super('the keys that tokens are checked with cannot be fetched');
    this.name = 'KeysUnavailableError';
  }
}

interface FetchedKeys {
  readonly find: LocalJWKSet;
  readonly fetchedAtMs: number;
}

/**
 * The public keys of the issuer, from its JWKS.
 *
 * Owns the keys that were fetched last and at most one fetch under way, which everybody shares. Keys are fresh,
 * then stale (used, and fetched anew meanwhile), then too old. jose chooses and imports a token's key; its
 * `createRemoteJWKSet` would let every caller wait when keys are stale, refuse them all while the issuer is down,
 * and then ask it once per caller. Asked by the verifier for each token.
 */
export class Jwks {
  readonly #options: JwksOptions;
  readonly #now: () => number;
  #keys: FetchedKeys | null = null;
  #fetching: Promise<void> | null = null;
  #lastAttemptMs = Number.NEGATIVE_INFINITY;

  constructor(options: JwksOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** The key of a token. Rejects with jose's errors, or with a `KeysUnavailableError`. */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const keys = await this.#usableKeys();
    try {
      return await keys.find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      return (await this.#keysNewerThan(keys)).find(header, token);
    }
  };

  /** The keys that are there; waits for the issuer only when there are none. */
  async #usableKeys(): Promise<FetchedKeys> {
    if (this.#ageMs() >= maxAgeMs) {
      await this.#refresh(retryMs);
      if (this.#ageMs() >= maxAgeMs) throw new KeysUnavailableError();
    } else if (this.#ageMs() >= freshMs) {
      void this.#refresh(cooldownMs);
    }
    return this.#keys!;
  }

  /** For a token whose key is unknown: the issuer may have a new one. */
  async #keysNewerThan(keys: FetchedKeys): Promise<FetchedKeys> {
    if (this.#keys === keys) await this.#refresh(cooldownMs);
    return this.#keys!;
  }

  #ageMs(): number {
    return this.#keys === null ? Number.POSITIVE_INFINITY : this.#now() - this.#keys.fetchedAtMs;
  }

  /** Joins the fetch under way, or begins one unless the last attempt was less than `pauseMs` ago. Never rejects. */
  async #refresh(pauseMs: number): Promise<void> {
    const isPaused = this.#now() - this.#lastAttemptMs < pauseMs;
    if (this.#fetching === null && isPaused) return;
    this.#fetching ??= this.#fetch();
    await this.#fetching;
  }

  async #fetch(): Promise<void> {
    const { url, signal, log } = this.#options;
    const fetchedAtMs = this.#now();
    this.#lastAttemptMs = fetchedAtMs;
    try {
      this.#keys = { find: createLocalJWKSet(await fetchJwks(url, signal)), fetchedAtMs };
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error, url }, 'the keys of the token issuer cannot be fetched');
    } finally {
      this.#fetching = null;
    }
  }
}
