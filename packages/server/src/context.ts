import { Dispatcher } from './agents/dispatcher.ts';
import { Endpoints } from './agents/endpoints/endpoints.ts';
import { TurnStore } from './agents/turns/turn-store.ts';
import { AddressGuard } from './agents/webhook/address-guard.ts';
import { createHostResolver, type ResolveHost } from './agents/webhook/resolve-host.ts';
import { WebhookClient } from './agents/webhook/webhook-client.ts';
import { createCallerRates } from './auth/caller-rates.ts';
import { createAuthenticator } from './auth/create-authenticator.ts';
import { DisabledParticipants } from './auth/disabled-participants.ts';
import { channelsOf } from './channels/open-channel.ts';
import type { Config } from './config/config.ts';
import { Appender } from './conversation/append/appender.ts';
import { ActivityWriter } from './conversation/inbox/activity-writer.ts';
import { ParticipantDirectory } from './conversation/participant-directory.ts';
import { Gateway } from './gateway/gateway.ts';
import { HttpServer } from './http/http-server.ts';
import type { HttpTimeouts } from './http/node-server.ts';
import type { Health } from './http/routes/health.ts';
import { InboxSupervisor } from './inbox/inbox-supervisor.ts';
import type { Log } from './lib/log.ts';
import { monotonicUlid } from './lib/monotonic-ulid.ts';
import type { Metrics } from './observability/metrics.ts';
import type { Tracing } from './observability/tracing.ts';
import { LocalPubSub } from './pubsub/local-pubsub.ts';
import { LoadMonitor } from './runtime/load-monitor.ts';
import { MembershipWatch } from './sessions/membership-watch.ts';
import { SessionSupervisor } from './sessions/session-supervisor.ts';
import { SocketServer } from './socket/socket-server.ts';
import type { ConnectionTarget } from './storage/connection.ts';
import { type Db, openDatabase } from './storage/database.ts';
import { DatabaseProbe } from './storage/database-probe.ts';
import { StreamRegistry } from './streams/stream-registry.ts';

/** Parts that a test puts in the place of the usual ones. */
export interface Overrides {
  readonly log?: Log;
  /** Wraps the database of everything but appends, to delay or break queries. */
  readonly wrapDb?: (db: Db) => Db;
  /** What names mean when agents are called. */
  readonly resolveHost?: ResolveHost;
  /** For tests of what takes seconds. */
  readonly httpTimeouts?: Partial<HttpTimeouts>;
  /** How fast a drain closes sockets. */
  readonly drainPace?: { readonly batch: number; readonly intervalMs: number };
}

export interface ContextOptions {
  readonly config: Config;
  readonly target: ConnectionTarget;
  readonly health: Health;
  readonly metrics: Metrics;
  /** Aborted when the server is gone. */
  readonly signal: AbortSignal;
  readonly tracing: Tracing;
  readonly log: Log;
  readonly overrides: Overrides;
}

/** Every part of a running server, made once, in groups from below. */
export type Context = ReturnType<typeof buildContext>;

/** Builds the parts; nothing listens or connects yet. */
export function buildContext(options: ContextOptions) {
  const truth = buildConversation(options);
  const agents = buildAgents(options, truth);
  const runtime = buildRuntime(options, truth, agents);
  const edges = buildEdges(options, truth, runtime);
  return { ...truth, ...agents, ...runtime, ...edges };
}

function buildConversation({ config, target, metrics, log, overrides }: ContextOptions) {
  const open = (poolSize: number) => {
    const opened = openDatabase(target, poolSize, log);
    return overrides.wrapDb?.(opened) ?? opened;
  };
  const db = open(config.database.poolSize);
  const { append: limits, failpoints } = config;
  const appender = new Appender({ target, limits, failpoints, metrics, log });
  const activity = new ActivityWriter(db, log);
  const probe = new DatabaseProbe({
    open: () => open(1),
    accepted: config.database.acceptedUnsafe,
    log,
  });
  return { db, probe, appender, activity, directory: new ParticipantDirectory(db) };
}

function buildAgents(
  { config, log, overrides }: ContextOptions,
  { db }: ReturnType<typeof buildConversation>,
) {
  const guard = new AddressGuard(config.agents.guard);
  const resolveHost = overrides.resolveHost ?? createHostResolver();
  return {
    endpoints: new Endpoints({ db, guard, log }),
    webhooks: new WebhookClient({ guard, resolveHost }),
  };
}

function buildRuntime(
  { config, signal, metrics, tracing, log }: ContextOptions,
  truth: ReturnType<typeof buildConversation>,
  { endpoints, webhooks }: ReturnType<typeof buildAgents>,
) {
  const { db, appender, activity, directory } = truth;
  const load = new LoadMonitor({ ...config.load, log });
  const rates = createCallerRates(config);
  const pubsub = new LocalPubSub(metrics);
  const streams = new StreamRegistry({ pubsub, metrics });
  const actors = { db, pubsub, idleMs: config.sessions.idleMs, cache: config.cache, metrics, log };
  const sessions = new SessionSupervisor({ ...actors, streams });
  const inboxes = new InboxSupervisor({ ...actors, unwritten: () => activity.unwritten() });
  const store = new TurnStore(db, monotonicUlid()());
  const { failpoints } = config;
  const dispatcher = new Dispatcher({
    ...{ db, store, endpoints, webhooks, appender, streams, failpoints, metrics, tracing, log },
    limits: config.agents,
    hopLimit: config.append.hopLimit,
  });
  appender.listen({
    committed: (messages) => {
      sessions.committed(messages);
      inboxes.committed(messages);
      activity.committed(messages);
    },
    woke: (sessionIds) => dispatcher.wake(sessionIds),
    hopLimitReached: (messages) => dispatcher.hopLimitReached(messages),
    reached: (sessionId, lastSeq) => sessions.reached(sessionId, lastSeq),
  });
  const gateway = new Gateway({
    db,
    appender,
    directory,
    sessions,
    inboxes,
    streams,
    turns: dispatcher,
    limits: config.messages,
    maxGroupMembers: config.groups.maxMembers,
    maxMetadataBytes: config.metadata.maxBytes,
    agents: { endpoints, webhooks, signal, onRedelivered: (sessionId) => dispatcher.wake([sessionId]) },
    rates: rates.participants,
    load,
    metrics,
    log,
  });
  const memberships = new MembershipWatch({ db, sessions, log });
  return { load, rates, pubsub, streams, dispatcher, sessions, inboxes, memberships, gateway };
}

function buildEdges(
  { config, health, metrics, signal, tracing, log, overrides }: ContextOptions,
  { directory }: ReturnType<typeof buildConversation>,
  { gateway, rates, load }: ReturnType<typeof buildRuntime>,
) {
  const authenticator = createAuthenticator({ auth: config.auth, directory, signal, log });
  const sockets = new SocketServer({
    config,
    authenticator,
    rates,
    load,
    openChannel: channelsOf(gateway),
    metrics,
    tracing,
    log,
  });
  const told = { metrics, tracing, log };
  const timeouts = overrides.httpTimeouts ?? {};
  const http = new HttpServer({ config, gateway, authenticator, rates, load, health, timeouts, ...told });
  const disabledParticipants = new DisabledParticipants({
    connections: [sockets, http.streamExchanges],
    directory,
    log,
  });
  return { sockets, http, disabledParticipants };
}
