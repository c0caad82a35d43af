import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Failpoints } from '../../lib/failpoints.ts';
import type { Log } from '../../lib/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { type ConnectionTarget, toClientConfig } from '../../storage/connection.ts';
import type { JudgingOptions, Verdict } from './append-statements.ts';
import { appendBatch, appendFreeSessions, type PartialAppend, prepareAppend } from './append-transaction.ts';
import type { IdentifiedDraft } from './draft.ts';
import { type WriterSettings, writerSettings } from './writer-settings.ts';

export interface WriterOptions {
  readonly target: ConnectionTarget;
  readonly settings: WriterSettings;
  /** The highest hop of a turn. */
  readonly hopLimit: number;
  readonly failpoints: Failpoints;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** What is known of the drafts of an attempt. */
export type AttemptFacts = Pick<JudgingOptions, 'resubmitted' | 'hasAgents'>;

/** A server process of Postgres: its pid may be used again, its start time not. */
interface Backend {
  readonly pid: number;
  readonly startedAt: string;
}

/** Beyond its statement timeout nothing takes this long: what Postgres has not answered by then is lost. */
const answerGraceMs = 1_000;
/** Between attempts to connect: short enough that a restart of Postgres costs little more than itself. */
const reconnectDelaysMs = [20, 50, 100, 200, 500, 1_000];
/** How often a terminated backend is looked for. */
const terminationPollMs = 20;

/**
 * One connection that appends, one batch at a time. It owns its Postgres client; a lane calls it.
 *
 * After an attempt of unknown outcome the caller must `recover` before the next: only when the old backend is
 * gone can it no longer commit, and only then do the message ids tell what it did.
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #abort = new AbortController();
  #client: Client | null = null;
  #recovering: Promise<void> | null = null;
  /** The backend of the last connection: to be terminated before another one appends. */
  #backend: Backend | null = null;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Whether an append could be tried now. */
  get isConnected(): boolean {
    return this.#client !== null;
  }

  /** Connects, trying until it succeeds or the writer is closed. */
  recover(): Promise<void> {
    this.#recovering ??= this.#recover().finally(() => {
      this.#recovering = null;
    });
    return this.#recovering;
  }

  async #recover(): Promise<void> {
    this.#disconnect();
    for (let attempt = 0; !this.#abort.signal.aborted; attempt++) {
      try {
        await this.#connect();
        return;
      } catch (error) {
        this.#disconnect();
        this.#options.log.warn({ err: error, attempt }, 'append connection failed, trying again');
        const delayMs = reconnectDelaysMs[Math.min(attempt, reconnectDelaysMs.length - 1)];
        await sleep(delayMs, undefined, { signal: this.#abort.signal }).catch(() => {});
      }
    }
  }

  /** Appends all drafts, waiting for locks as long as the lock timeout allows. */
  async append(drafts: readonly IdentifiedDraft[], facts: AttemptFacts): Promise<(Verdict | null)[]> {
    const startedMs = performance.now();
    const client = this.#connected;
    const options = { ...this.#options, ...facts };
    const verdicts = await this.#answered(client, appendBatch(client, drafts, options));
    this.#options.metrics.batchCommitted(verdicts.length, performance.now() - startedMs);
    return verdicts;
  }

  /** Appends the drafts of sessions that nobody else holds. */
  async appendFree<D extends IdentifiedDraft>(
    drafts: readonly D[],
    facts: AttemptFacts,
  ): Promise<PartialAppend<D>> {
    const startedMs = performance.now();
    const client = this.#connected;
    const options = { ...this.#options, ...facts };
    const partial = await this.#answered(client, appendFreeSessions(client, drafts, options));
    const rows = partial.verdicts.length;
    if (rows > 0) this.#options.metrics.batchCommitted(rows, performance.now() - startedMs);
    return partial;
  }

  /** Ends the connection. An append in flight ends as unknown. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#recovering;
    const client = this.#client;
    this.#client = null;
    if (client) await endClient(client);
  }

  async #connect(): Promise<void> {
    const client = new Client(toClientConfig(this.#options.target, 'fleetlm-append'));
    // Without a listener the loss of an idle connection would end the process.
    client.on('error', (error) => this.#onLost(client, error));
    try {
      await client.connect();
      await this.#answered(client, this.#prepare(client));
    } catch (error) {
      destroyClient(client);
      throw error;
    }
    this.#client = client;
  }

  async #prepare(client: Client): Promise<void> {
    await client.query(writerSettings(this.#options.settings));
    await prepareAppend(client);
    if (this.#backend) await terminate(client, this.#backend, this.#abort.signal);
    this.#backend = await readBackend(client);
  }

  /** Cuts a connection that says nothing: TCP tells for minutes nothing of a peer that is gone. */
  async #answered<T>(client: Client, work: Promise<T>): Promise<T> {
    const timer = setTimeout(() => destroyClient(client), this.#answerTimeoutMs);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
    }
  }

  get #answerTimeoutMs(): number {
    return this.#options.settings.statementTimeoutMs + answerGraceMs;
  }

  /** An idle lane has nobody else to connect it again, and the node would not be ready until its next append. */
  #onLost(client: Client, error: Error): void {
    this.#options.log.warn({ err: error }, 'append connection lost');
    if (this.#client !== client) return;
    this.#client = null;
    void this.recover();
  }

  get #connected(): Client {
    if (this.#client === null) throw new Error('the append connection is not there');
    return this.#client;
  }

  #disconnect(): void {
    if (this.#client) destroyClient(this.#client);
    this.#client = null;
  }
}

async function readBackend(client: Client): Promise<Backend> {
  const { rows } = await client.query<{ pid: number; started_at: string }>(
    'select pid, backend_start::text as started_at from pg_stat_activity where pid = pg_backend_pid()',
  );
  return { pid: rows[0]!.pid, startedAt: rows[0]!.started_at };
}

/** Ends another backend and waits until it is gone: from then on it can commit nothing. */
async function terminate(client: Client, backend: Backend, signal: AbortSignal): Promise<void> {
  const identity = [backend.pid, backend.startedAt];
  for (;;) {
    signal.throwIfAborted();
    const { rowCount } = await client.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where pid = $1 and backend_start::text = $2',
      identity,
    );
    if (rowCount === 0) return;
    await sleep(terminationPollMs, undefined, { signal });
  }
}

/** Cuts the connection: queries in flight fail at once, whatever the network does. */
function destroyClient(client: Client): void {
  client.connection.stream.destroy();
}

async function endClient(client: Client): Promise<void> {
  const deadline = AbortSignal.timeout(1_000);
  deadline.addEventListener('abort', () => destroyClient(client));
  await client.end().catch(() => {});
}
