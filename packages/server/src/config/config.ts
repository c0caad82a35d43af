import { readAgents } from './agent-settings.ts';
import { authMode, findAuthConflicts, readJwt } from './auth-settings.ts';
import { readRates } from './rates.ts';
import { type Environment, readVariables } from './read-variables.ts';
import { readTracing } from './tracing-settings.ts';
import { ConfigError, type Values, variables } from './variables.ts';

export { ConfigError };

/** Every setting of a server: validated and frozen. Nothing else reads the environment. */
export type Config = ReturnType<typeof group>;

/** The configuration in `env`. Throws a `ConfigError` that names every bad variable at once. */
export function parseConfig(env: Environment): Config {
  const { values, problems } = readVariables(variables, env);
  const all = [...problems, ...findConflicts(values)];
  if (all.length > 0) throw new ConfigError(all);
  return deepFreeze(group(values));
}

function group(values: Values) {
  return {
    listen: { host: values.HOST, port: values.PORT },
    /** Where operations are served without authentication; null: nowhere. */
    ops: readOps(values),
    auth: {
      mode: authMode(values),
      /** How tokens are checked; null when there is no key. */
      jwt: readJwt(values),
      insecureAllowNoAuth: values.FLEETLM_INSECURE_ALLOW_NO_AUTH,
      allowedOrigins: values.FLEETLM_ALLOWED_ORIGINS,
    },
    database: {
      url: values.DATABASE_URL,
      dataDir: values.FLEETLM_DATA_DIR,
      waitMs: values.FLEETLM_DB_WAIT_MS,
      poolSize: values.FLEETLM_DB_POOL_SIZE,
      migrateAtStart: values.FLEETLM_MIGRATE_AT_START,
      acceptedUnsafe: values.FLEETLM_ACCEPT_UNSAFE_POSTGRES,
    },
    append: {
      lanes: values.FLEETLM_APPEND_LANES,
      maxBatchRows: values.FLEETLM_APPEND_BATCH_ROWS,
      maxBatchBytes: values.FLEETLM_APPEND_BATCH_BYTES,
      maxQueuedRows: values.FLEETLM_APPEND_QUEUE_ROWS,
      maxQueuedBytes: values.FLEETLM_APPEND_QUEUE_BYTES,
      maxQueuedMs: values.FLEETLM_APPEND_QUEUE_MS,
      deadlineMs: values.FLEETLM_APPEND_DEADLINE_MS,
      statementTimeoutMs: values.FLEETLM_APPEND_STATEMENT_TIMEOUT_MS,
      lockTimeoutMs: values.FLEETLM_APPEND_LOCK_TIMEOUT_MS,
      hopLimit: values.FLEETLM_HOP_LIMIT,
      isAsyncCommitAccepted: values.FLEETLM_ACCEPT_UNSAFE_POSTGRES.includes('synchronous_commit'),
    },
    messages: {
      maxPersonBytes: values.FLEETLM_MESSAGE_BYTES,
      maxAgentBytes: values.FLEETLM_AGENT_MESSAGE_BYTES,
    },
    metadata: { maxBytes: values.FLEETLM_METADATA_BYTES },
    groups: { maxMembers: values.FLEETLM_GROUP_MEMBERS },
    sessions: { idleMs: values.FLEETLM_SESSION_IDLE_MS },
    cache: { maxBytes: values.FLEETLM_CACHE_BYTES, ttlMs: values.FLEETLM_CACHE_TTL_MS },
    http: { maxBodyBytes: values.FLEETLM_HTTP_BODY_BYTES, maxConnections: values.FLEETLM_MAX_CONNECTIONS },
    sockets: {
      maxFrameBytes: values.FLEETLM_SOCKET_FRAME_BYTES,
      maxTopics: values.FLEETLM_SOCKET_TOPICS,
      maxQueuedBytes: values.FLEETLM_SOCKET_QUEUE_BYTES,
      stallMs: values.FLEETLM_SOCKET_STALL_MS,
      idleMs: values.FLEETLM_SOCKET_IDLE_MS,
      maxPendingFrames: values.FLEETLM_SOCKET_PENDING_FRAMES,
      /** Of all sockets together. */
      maxTotalQueuedBytes: values.FLEETLM_SOCKETS_QUEUE_BYTES,
    },
    agents: readAgents(values),
    /** For commands that call a server. */
    client: { token: values.FLEETLM_TOKEN },
    rates: readRates(values),
    trustedProxies: values.FLEETLM_TRUSTED_PROXIES,
    load: { maxLagMs: values.FLEETLM_LOAD_LAG_MS, maxMemoryBytes: values.FLEETLM_LOAD_MEMORY_BYTES },
    lifecycle: { shutdownMs: values.FLEETLM_SHUTDOWN_MS },
    log: { level: values.LOG_LEVEL },
    tracing: readTracing(values),
    failpoints: values.FLEETLM_FAILPOINTS,
  };
}

function readOps({ FLEETLM_OPS_HOST: host, FLEETLM_OPS_PORT: port }: Values) {
  return port === null ? null : { host, port };
}

/** Settings that are each valid, but not together. */
function findConflicts(values: Values): string[] {
  const problems = findAuthConflicts(values);
  if (values.FLEETLM_APPEND_STATEMENT_TIMEOUT_MS >= values.FLEETLM_APPEND_DEADLINE_MS) {
    problems.push('FLEETLM_APPEND_STATEMENT_TIMEOUT_MS must be less than FLEETLM_APPEND_DEADLINE_MS');
  }
  if (values.FLEETLM_APPEND_LOCK_TIMEOUT_MS >= values.FLEETLM_APPEND_STATEMENT_TIMEOUT_MS) {
    problems.push('FLEETLM_APPEND_LOCK_TIMEOUT_MS must be less than FLEETLM_APPEND_STATEMENT_TIMEOUT_MS');
  }
  if (values.PORT !== 0 && values.FLEETLM_OPS_PORT === values.PORT) {
    problems.push('FLEETLM_OPS_PORT must differ from PORT');
  }
  return problems;
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner);
  }
  return Object.freeze(value);
}
