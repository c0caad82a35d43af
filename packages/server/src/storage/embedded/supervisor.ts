import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../../lib/log.ts';
import type { Postmaster } from './postmaster.ts';

/** How a postmaster is started; aborting makes it end what it began. */
export type StartPostmaster = (signal: AbortSignal) => Promise<Postmaster>;

/** A single crash is mended before most callers give up; a crash loop does not spin. */
const firstDelayMs = 100;
/** Long enough not to burden a machine whose disk is full, short enough that it needs no hand when that is mended. */
const maxDelayMs = 10_000;
/** One that lived this long was well: its end is a new event, not the next turn of a crash loop. */
const stableMs = 60_000;

/**
 * Keeps one postmaster running: when it ends by itself (kill -9, out of memory), starts it again on the same
 * cluster, with a growing delay, until stopped. Owns the postmaster from `start` to `stop`.
 *
 * States: running → (it ended) waiting → starting → running …; from each of them `stop` leads to stopped, after
 * which no postmaster of ours is left. Errors of a restart are logged and retried; only the first start throws.
 */
export class PostmasterSupervisor {
  readonly #start: StartPostmaster;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  readonly #finished: Promise<void>;
  #postmaster: Postmaster;
  #delayMs = firstDelayMs;

  static async start(start: StartPostmaster, log: Log): Promise<PostmasterSupervisor> {
    return new PostmasterSupervisor(start, log, await start(new AbortController().signal));
  }

  private constructor(start: StartPostmaster, log: Log, postmaster: Postmaster) {
    this.#start = start;
    this.#log = log;
    this.#postmaster = postmaster;
    this.#finished = this.#superviseUntilStopped();
  }

  /** Of the last one started. */
  get pid(): number {
    return this.#postmaster.pid;
  }

  /** Idempotent: a second call finds the postmaster ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#postmaster.stop();
    await this.#finished;
  }

  async #superviseUntilStopped(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const startedAt = performance.now();
      const exit = await this.#postmaster.exited;
      if (signal.aborted) return;
      if (performance.now() - startedAt > stableMs) this.#delayMs = firstDelayMs;
      this.#log.error({ pid: this.pid, ...exit }, 'the embedded Postgres ended by itself; starting it again');
      await this.#restart(signal);
    }
  }

  async #restart(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await delay(this.#delayMs, undefined, { signal });
        this.#delayMs = Math.min(this.#delayMs * 2, maxDelayMs);
        const postmaster = await this.#start(signal);
        if (signal.aborted) return await postmaster.stop();
        this.#postmaster = postmaster;
        this.#log.info({ pid: this.pid }, 'the embedded Postgres is back');
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#log.error(
          { err: error, retry_in_ms: this.#delayMs },
          'the embedded Postgres did not start again',
        );
      }
    }
  }
}
