import type { Config } from './config/config.ts';
import { buildContext, type Context, type Overrides } from './context.ts';
import { OperationsServer } from './http/operations-server.ts';
import { requireFreePort } from './http/require-free-port.ts';
import { urlOf } from './http/start-listening.ts';
import type { Log } from './lib/log.ts';
import { untilAborted } from './lib/until-aborted.ts';
import { createLogger } from './observability/logger.ts';
import { Metrics, type Readings } from './observability/metrics.ts';
import { createTracing } from './observability/tracing.ts';
import { StorageError } from './storage/check-server.ts';
import type { ConnectionTarget } from './storage/connection.ts';
import { requireDurability } from './storage/durability.ts';
import { migrateDatabase, readMigrationState } from './storage/migrate-database.ts';
import { openStorage } from './storage/open-storage.ts';

type State = 'new' | 'starting' | 'ready' | 'stopping' | 'stopped';

/** 5,000 sockets a second: their clients come back to other nodes, or to the next start, as a slope, not a wall. */
const drainPace = { batch: 250, intervalMs: 50 };

/**
 * One FleetLM process: storage, runtime and edges, from `start` to `stop`. It owns everything that the context
 * holds; what was started is stopped in the reverse order, also when a start fails half-way.
 */
export class Server implements AsyncDisposable {
  readonly #config: Config;
  readonly #overrides: Overrides;
  readonly #log: Log;
  readonly #metrics = new Metrics();
  readonly #resources = new AsyncDisposableStack();
  readonly #hurry = new AbortController();
  /** Ends a start that is under way. */
  readonly #startAbort = new AbortController();
  readonly #lifetime = new AbortController();
  #context: Context | null = null;
  #state: State = 'new';
  /** What a start is doing. */
  #step = 'nothing yet';
  #url = '';
  #opsUrl: string | null = null;
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;

  constructor(config: Config, overrides: Overrides = {}) {
    this.#config = config;
    this.#overrides = overrides;
    this.#log = overrides.log ?? createLogger(config.log);
  }

  /** Where it listens, as `http://127.0.0.1:4000`; "" before. */
  get url(): string {
    return this.#url;
  }

  /** Where `FLEETLM_OPS_PORT` is served; null without one, or before. */
  get opsUrl(): string | null {
    return this.#opsUrl;
  }

  get isStopping(): boolean {
    return this.#stopping !== null;
  }

  /** How much of everything there is: for tests, which look that nothing is left behind. */
  get counts() {
    const { db, sockets, sessions, inboxes, streams, dispatcher, pubsub, appender } = this.#running;
    const { total, idle, waiting } = db.countConnections();
    return {
      connections: sockets.connectionCount,
      topics: sockets.topicCount,
      handshakes: sockets.handshakeCount,
      queuedBytes: sockets.queuedBytes,
      sessions: sessions.count,
      inboxes: inboxes.count,
      viewedSessions: inboxes.viewedSessions,
      streams: streams.count,
      turns: dispatcher.count,
      subscribedTopics: pubsub.topicCount,
      pendingAppends: appender.pendingRows,
      queries: total - idle + waiting,
    };
  }

  /** Resolves when it serves. Throws with a message that says what to do, and leaves nothing behind. */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /**
   * Stops in order: not ready; new connections refused, the open ones served; sockets closed with 1012, paced;
   * appends in flight finished; actors, pools, and at last the embedded Postgres. What is not done after
   * `FLEETLM_SHUTDOWN_MS` is cut.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Why traffic should go elsewhere, or nothing. */
  async findNotReady(): Promise<string[]> {
    const failure = this.#state === 'ready' ? await this.#running.probe.check() : null;
    // A stop may have begun meanwhile: who is told "ready" then sends to a closed door.
    if (this.#state === 'starting') return [`the server is starting: ${this.#step}`];
    if (this.#state !== 'ready') return ['the server is shutting down'];
    if (failure !== null) return [failure];
    return this.#running.appender.isReady ? [] : ['appends have no connection to Postgres'];
  }

  /** Makes a stop that is under way wait for nobody any more. */
  hurry(): void {
    this.#hurry.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #start(): Promise<void> {
    this.#state = 'starting';
    try {
      await this.#open();
      this.#state = 'ready';
    } catch (error) {
      this.#state = 'stopped';
      await this.#resources.disposeAsync();
      throw error;
    }
  }

  async #open(): Promise<void> {
    const { database, listen, tracing: exporter } = this.#config;
    const log = this.#log;
    const { signal } = this.#startAbort;
    await requireFreePort(listen);
    this.#step = 'waiting for Postgres';
    await this.#openOperations();
    const storage = this.#resources.use(await openStorage(database, log, signal));
    signal.throwIfAborted();
    this.#step = 'looking at the tables';
    await requireDurability(storage.target, database.acceptedUnsafe, log);
    await prepareTables(storage.target, database, log);
    const tracing = await createTracing(exporter, log);
    this.#resources.defer(() => tracing.stop());
    const context = buildContext({
      config: this.#config,
      target: storage.target,
      health: () => this.findNotReady(),
      metrics: this.#metrics,
      signal: this.#lifetime.signal,
      tracing,
      log,
      overrides: this.#overrides,
    });
    this.#context = context;
    this.#metrics.readFrom(() => this.#readCounts());
    this.#resources.defer(() => context.db.close());
    this.#resources.defer(() => context.probe.close());
    this.#resources.defer(() => context.activity.stop());
    this.#resources.defer(() => context.appender.stop());
    this.#resources.defer(() => context.sessions.stop());
    this.#resources.defer(() => context.streams.stop());
    this.#resources.defer(() => context.dispatcher.close());
    this.#resources.defer(() => context.inboxes.stop());
    this.#resources.defer(() => context.http.close(AbortSignal.abort()));
    this.#resources.defer(() => context.sockets.stop());
    this.#resources.defer(() => context.disabledParticipants.stop());
    this.#resources.defer(() => context.memberships.stop());
    this.#resources.defer(() => context.load.stop());
    this.#resources.defer(() => this.#lifetime.abort());
    this.#step = 'connecting for appends';
    await Promise.race([context.appender.start(), rejectWhenAborted(signal)]);
    context.activity.start();
    context.sockets.attach(context.http.server);
    context.disabledParticipants.start();
    context.memberships.start();
    context.load.start();
    context.dispatcher.start();
    this.#url = urlOf(await context.http.listen(listen));
  }

  /** First to come, last to go: a probe is told "not ready" all the while. */
  async #openOperations(): Promise<void> {
    const { ops } = this.#config;
    if (ops === null) return;
    const health = () => this.findNotReady();
    const server = new OperationsServer({ health, metrics: this.#metrics, log: this.#log });
    this.#resources.use(server);
    this.#opsUrl = urlOf(await server.listen(ops));
  }

  async #stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    // A start that fails, or is given up, has cleaned up after itself.
    this.#startAbort.abort(new Error('the server was stopped while it started'));
    await this.#starting?.catch(() => {});
    if (this.#context && this.#state === 'ready') await this.#drain(this.#context);
    this.#state = 'stopped';
    await this.#resources.disposeAsync();
  }

  async #drain({ http, sockets, dispatcher, appender }: Context): Promise<void> {
    this.#state = 'stopping';
    const signal = AbortSignal.any([
      AbortSignal.timeout(this.#config.lifecycle.shutdownMs),
      this.#hurry.signal,
    ]);
    const answered = http.drain(signal);
    const turned = dispatcher.drain(signal, this.#config.lifecycle.shutdownMs);
    await sockets.drain({ ...drainPace, ...this.#overrides.drainPace, signal });
    await answered;
    await turned;
    await Promise.race([appender.drain(), untilAborted(signal)]);
  }

  /** What `/metrics` tells of counts that are kept anyway. */
  async #readCounts(): Promise<Readings> {
    const { appender, db, load, sockets, sessions, inboxes, streams, dispatcher } = this.#running;
    return {
      isReady: (await this.findNotReady()).length === 0,
      connections: sockets.connectionCount,
      topics: sockets.topicCount,
      sessions: sessions.count,
      inboxes: inboxes.count,
      streams: streams.count,
      turns: dispatcher.count,
      queuedRows: appender.pendingRows,
      queuedBytes: appender.pendingBytes,
      fullReason: load.reason,
      pool: db.countConnections(),
    };
  }

  get #running(): Context {
    if (!this.#context) throw new Error('the server has not been started');
    return this.#context;
  }
}

async function rejectWhenAborted(signal: AbortSignal): Promise<never> {
  await untilAborted(signal);
  throw signal.reason;
}

/** Brings the tables up to date, or, where a deployment step does that, makes sure that it has. */
async function prepareTables(
  target: ConnectionTarget,
  { migrateAtStart }: Config['database'],
  log: Log,
): Promise<void> {
  if (migrateAtStart) {
    const migrations = await migrateDatabase(target, log);
    if (migrations.length > 0) log.info({ migrations }, 'database migrated');
    return;
  }
  const { outstanding, unknown } = await readMigrationState(target, log);
  if (outstanding.length > 0) {
    throw new StorageError(
      `the database lacks migrations (${outstanding.join(', ')}): run \`fleetlm db migrate\`, or leave FLEETLM_MIGRATE_AT_START on`,
    );
  }
  if (unknown.length > 0) {
    log.warn(
      { migrations: unknown },
      'a newer FleetLM has changed the tables; this one may not work with them',
    );
  }
}
