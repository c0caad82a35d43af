import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import { type DurabilitySetting, durabilitySettings } from '../config/accepted-settings.ts';
import type { Log } from '../lib/log.ts';
import type { Db } from './database.ts';
import { losses } from './durability.ts';

export interface DatabaseProbeOptions {
  /** Opens the probe's own pool, of one connection: a busy pool is no lost Postgres. */
  readonly open: () => Db;
  /** Settings that may be off. */
  readonly accepted: readonly DurabilitySetting[];
  readonly log: Log;
  /** For tests: seconds are long. */
  readonly times?: typeof defaultTimes;
}

const defaultTimes = {
  /** Who asks for readiness should have an answer before it gives up itself. */
  timeoutMs: 1_000,
  /** However many ask, Postgres is asked twice a second; a balancer looks every few seconds. */
  freshMs: 500,
};

type Row = Readonly<Record<DurabilitySetting, string>> & { readonly is_read_only: boolean };

const statement = {
  name: 'probe',
  text: `select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as is_read_only,
    ${durabilitySettings.map((name) => `current_setting('${name}') as ${name}`).join(', ')}`,
};

/**
 * Asks Postgres, when somebody asks for readiness, whether it can be written to. Owns a connection, at most one query
 * under way, and its last answer, which all share. A query that is not answered in time is not asked again beside
 * itself: Postgres may be slow already. Changes are logged.
 */
export class DatabaseProbe {
  readonly #options: DatabaseProbeOptions;
  readonly #times: typeof defaultTimes;
  #db: Db;
  #query: Promise<string | null> | null = null;
  #answer: string | null = null;
  #askedMs = Number.NEGATIVE_INFINITY;
  #unsafe: readonly string[] = [];

  constructor(options: DatabaseProbeOptions) {
    this.#options = options;
    this.#times = options.times ?? defaultTimes;
    this.#db = options.open();
  }

  /** Why Postgres takes no writes now; null: it does. Answers within a second. */
  async check(): Promise<string | null> {
    if (performance.now() - this.#askedMs < this.#times.freshMs) return this.#answer;
    this.#query ??= this.#ask().finally(() => {
      this.#query = null;
    });
    const tooLate = sleep(this.#times.timeoutMs, 'Postgres does not answer', { ref: false });
    this.#tell(await Promise.race([this.#query, tooLate]));
    this.#askedMs = performance.now();
    return this.#answer;
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  async #ask(): Promise<string | null> {
    try {
      const [row] = await this.#db.query<Row>(statement, []);
      this.#warnOfUnsafe(row!);
      return row!.is_read_only ? this.#connectAnew() : null;
    } catch (error) {
      return describeFailure(error);
    }
  }

  /** The address may lead to another server by now, or the role may write again: the next connection shows it. */
  #connectAnew(): string {
    void this.#db.close();
    this.#db = this.#options.open();
    return 'Postgres is read-only';
  }

  #tell(answer: string | null): void {
    const { log } = this.#options;
    if (answer !== this.#answer) {
      if (answer === null) log.info({}, 'Postgres can be used again');
      else log.warn({ reason: answer }, 'Postgres cannot be used');
    }
    this.#answer = answer;
  }

  /** The start has refused them; a reload may have brought them since. */
  #warnOfUnsafe(row: Row): void {
    const { accepted, log } = this.#options;
    const unsafe = durabilitySettings.filter((name) => row[name] === 'off' && !accepted.includes(name));
    for (const setting of unsafe.filter((name) => !this.#unsafe.includes(name))) {
      log.warn({ setting }, `Postgres has ${setting}=off by now: ${losses[setting]}`);
    }
    this.#unsafe = unsafe;
  }
}

/** For everybody who may ask: no names, no addresses. */
function describeFailure(error: unknown): string {
  switch (error instanceof DatabaseError ? error.code : undefined) {
    case '57P03':
    case '57P01':
      return 'Postgres is starting or shutting down';
    case '53300':
      return 'Postgres has no connection left';
    case '28P01':
    case '28000':
      return 'Postgres refuses the user';
    case '3D000':
      return 'Postgres lacks the database';
    default:
      return 'Postgres does not answer';
  }
}
