import { Failpoints } from '../lib/failpoints.ts';
import { durabilitySettings, parseAcceptedSettings } from './accepted-settings.ts';
import { parseAllowedOrigins } from './allowed-origins.ts';
import { parseAllowedRanges } from './allowed-ranges.ts';
import { parseJwksUrl } from './jwks-url.ts';
import { defaultRates } from './rates.ts';
import type { Read, Variable } from './read-variables.ts';
import {
  boolean,
  bytes,
  choice,
  integer,
  milliseconds,
  optionalBoolean,
  optionalBytes,
  optionalChoice,
  optionalInteger,
  optionalText,
  parsed,
  rate,
  ratio,
  secret,
  text,
} from './read-variables.ts';
import { checkHeaders, parseCollectorUrl } from './tracing-settings.ts';
import { parseTrustedProxies } from './trusted-proxies.ts';

/** One or more settings are wrong; the message names each with what to do. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The configuration is not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

export type Values = Read<typeof variables>;

/** Every environment variable that FleetLM reads, with its default and the reason for it. */
export const variables = {
  HOST: text('127.0.0.1', 'Address to listen on. Beyond loopback, somebody must check who connects.'),
  PORT: integer(4000, 0, 65_535, 'TCP port of REST and WebSocket; 0 takes a free one.'),
  FLEETLM_OPS_PORT: optionalInteger(
    0,
    65_535,
    'A port of its own for `/health` and `/metrics`, open to whoever reaches it; 0 takes a free one. Without it `PORT` serves `/metrics`, to the service.',
  ),
  FLEETLM_OPS_HOST: text(
    '127.0.0.1',
    'Address of that port. Loopback whatever `HOST` is: nobody is asked who they are there, so other machines are let in only by name of an address.',
  ),
  DATABASE_URL: secret(
    'A Postgres of your own (14 or newer), `postgres://…`. Without it FleetLM runs one in its data directory.',
    checkPostgresUrl,
  ),
  FLEETLM_DATA_DIR: text('.fleetlm', 'Directory of the embedded Postgres. One FleetLM at a time may use it.'),
  FLEETLM_DB_POOL_SIZE: integer(
    10,
    1,
    1000,
    'Connections for everything but appends: two cores are busy long before ten queries run at once.',
  ),
  FLEETLM_DB_WAIT_MS: milliseconds(
    15_000,
    'How long a start waits for a Postgres that does not answer: a database often starts beside its application.',
  ),
  FLEETLM_MIGRATE_AT_START: boolean(
    true,
    'Run outstanding migrations at start, under a lock; off when a deployment step does it.',
  ),
  FLEETLM_ACCEPT_UNSAFE_POSTGRES: {
    ...parsed(
      parseAcceptedSettings,
      'Settings of Postgres that may be off, although a crash then takes what was acknowledged: a start refuses each that is not named here. For tests and bulk loads.',
    ),
    type: `list of ${durabilitySettings.join(', ')}`,
  },
  NODE_ENV: text('', '`production` makes `jwt` the default of `FLEETLM_AUTH`. Nothing else depends on it.'),
  FLEETLM_AUTH: optionalChoice(
    ['jwt', 'none'],
    'none on loopback, else jwt',
    'Who is calling: `jwt` checks tokens; `none` believes the `participant_id` that a caller names, for local development. It is `jwt` as soon as a key is set, other machines reach `HOST`, or `NODE_ENV` is `production`.',
  ),
  FLEETLM_JWT_SECRET: secret(
    'The key of HS256 tokens, shared with the backend that issues them: its bytes as they are, at least 32, since HMAC-SHA-256 is as strong as its key. Either this or `FLEETLM_JWKS_URL`.',
    checkKey,
  ),
  FLEETLM_JWKS_URL: parsed(
    parseJwksUrl,
    'Where the issuer publishes its public keys, for RS256, ES256 and EdDSA: https, or http on loopback. Redirects are not followed.',
  ),
  FLEETLM_JWT_ISSUER: optionalText('The `iss` that tokens must have. Unset: it is not looked at.'),
  FLEETLM_JWT_AUDIENCE: optionalText('The `aud` that tokens must name. Unset: it is not looked at.'),
  FLEETLM_JWT_LEEWAY_MS: {
    ...integer(
      5_000,
      0,
      5_000,
      'How far the clock of the issuer may be off, for `exp` and `nbf`: more would let a stolen token live on.',
    ),
    type: 'milliseconds, 0 to 5000',
  },
  FLEETLM_INSECURE_ALLOW_NO_AUTH: boolean(
    false,
    'Accept `FLEETLM_AUTH=none` on an address that other machines reach: anyone there can read and write everything.',
  ),
  FLEETLM_ALLOWED_ORIGINS: parsed(
    parseAllowedOrigins,
    'Web origins whose pages may connect, separated by commas (`https://app.example`). Empty: only pages from the same host.',
  ),
  FLEETLM_APPEND_LANES: integer(
    2,
    1,
    64,
    'Serial writers, each with one connection: two keep Postgres busy on two cores, more add little.',
  ),
  FLEETLM_APPEND_BATCH_ROWS: integer(
    512,
    1,
    10_000,
    'Most messages of one commit: beyond 256 the rate hardly grows, and a batch must stay quick.',
  ),
  FLEETLM_APPEND_BATCH_BYTES: bytes(
    1 << 20,
    'Most content of one commit, so that a few large messages do not delay the small ones behind them. A single larger message is let through.',
  ),
  FLEETLM_APPEND_QUEUE_ROWS: integer(
    10_000,
    1,
    10_000_000,
    'Most messages that wait for their commit: about half a second of work; beyond, appends are refused with `overloaded`.',
  ),
  FLEETLM_APPEND_QUEUE_BYTES: bytes(
    64 << 20,
    'Most content that waits for its commit, which bounds the memory of the queue.',
  ),
  FLEETLM_APPEND_QUEUE_MS: milliseconds(
    500,
    'Longest that a newcomer to the queue would wait, at the pace of the last commits: beyond, it is refused with `overloaded`, and those that are admitted are stored within a second.',
  ),
  FLEETLM_APPEND_DEADLINE_MS: milliseconds(
    8_000,
    'A sender gets an answer by then; phoenix.js gives up after 10 s and should hear it.',
  ),
  FLEETLM_APPEND_STATEMENT_TIMEOUT_MS: milliseconds(
    5_000,
    'Postgres cancels an append statement after this, which leaves time to answer before the deadline.',
  ),
  FLEETLM_APPEND_LOCK_TIMEOUT_MS: milliseconds(
    500,
    'A batch waits this long for a locked session, then goes on without it.',
  ),
  FLEETLM_HOP_LIMIT: integer(
    20,
    1,
    1_000,
    'How many turns of agents may follow from one message of a person, each from the one before: agents that answer each other would never end.',
  ),
  FLEETLM_MESSAGE_BYTES: bytes(
    32 << 10,
    "Most content and metadata of a person's message, as JSON: a long letter, and two fit a frame.",
  ),
  FLEETLM_AGENT_MESSAGE_BYTES: bytes(
    1 << 20,
    "Most content and metadata of an agent's message: answers carry tool results.",
  ),
  FLEETLM_METADATA_BYTES: bytes(
    32 << 10,
    'Most metadata of a participant or a session, as JSON: lists show it for each.',
  ),
  FLEETLM_GROUP_MEMBERS: integer(
    1_000,
    2,
    100_000,
    'Most members of a group: each message is shown to all of them.',
  ),
  FLEETLM_SESSION_IDLE_MS: milliseconds(
    2_000,
    'A session or an inbox that nobody follows leaves its actor after this; what it held goes to the cache, which has a bound.',
  ),
  FLEETLM_CACHE_BYTES: bytes(
    32 << 20,
    'Most memory for the tails of sessions, and as much again for inboxes, that nobody follows just now: coming back to them is cheap.',
  ),
  FLEETLM_CACHE_TTL_MS: milliseconds(
    600_000,
    'What is kept of a session or an inbox that nobody follows is forgotten after this.',
  ),
  FLEETLM_HTTP_BODY_BYTES: bytes(
    256 << 10,
    'Largest request body: well above the largest message of a person.',
  ),
  FLEETLM_SOCKET_FRAME_BYTES: bytes(
    64 << 10,
    'Largest frame from a client: a message of 32 KiB with room for escapes. Larger ones close the socket with 1009.',
  ),
  FLEETLM_SOCKET_TOPICS: integer(
    100,
    1,
    100_000,
    'Most topics of one socket, as in Phoenix: bounds what one client can hold open.',
  ),
  FLEETLM_SOCKET_QUEUE_BYTES: bytes(
    1 << 20,
    'Most bytes that wait for one socket: a reader that is further behind is closed with 4008 and comes back by cursor.',
  ),
  FLEETLM_SOCKET_STALL_MS: milliseconds(
    10_000,
    'A socket that takes no byte for this long while some wait is closed with 4008.',
  ),
  FLEETLM_SOCKET_IDLE_MS: milliseconds(
    60_000,
    'A socket without any frame for this long is closed with 4009: clients send a heartbeat every 30 s.',
  ),
  FLEETLM_SOCKET_PENDING_FRAMES: integer(
    100,
    1,
    100_000,
    'Most frames of one topic that wait for a join or an earlier answer; more are refused with `overloaded`.',
  ),
  FLEETLM_SOCKETS_QUEUE_BYTES: bytes(
    256 << 20,
    'Most bytes that wait for all sockets together: beyond, those that are furthest behind are closed with 4008, so that many slow readers cannot take the memory of everybody.',
  ),
  FLEETLM_MAX_CONNECTIONS: integer(
    100_000,
    1,
    10_000_000,
    'Most TCP connections, sockets and REST together: each costs a file descriptor and some 10 KiB. More are hung up on.',
  ),
  FLEETLM_RATE_MESSAGES: rate(
    defaultRates.messages,
    'Messages that a participant may send in a second, by all its sockets and REST together; four times that in one go. People type less, and a broken loop sends more. 0: no limit.',
  ),
  FLEETLM_RATE_FRAMES: rate(
    defaultRates.frames,
    'Frames and REST calls that a participant may send in a second; four times that in one go: a hundred topics are joined anew at once. Large ones count once more for each 16 KiB. 0: no limit.',
  ),
  FLEETLM_RATE_HANDSHAKES: rate(
    defaultRates.handshakes,
    'Handshakes a second from one address, and as many refused identities over REST; `FLEETLM_RATE_HANDSHAKES_BURST` in one go. Official clients try again for ever. 0: no limit.',
  ),
  FLEETLM_RATE_HANDSHAKES_BURST: integer(
    4_000,
    1,
    10_000_000,
    'Handshakes from one address in one go: an office behind one address comes back after a restart.',
  ),
  FLEETLM_TRUSTED_PROXIES: parsed(
    parseTrustedProxies,
    'Reverse proxies whose `X-Forwarded-For` is believed, as `10.0.0.7,10.1.0.0/16,::1`. Without them a proxy counts as one address.',
  ),
  FLEETLM_LOAD_LAG_MS: milliseconds(
    200,
    'When the event loop is late by more, the node takes nothing new (503, `overloaded`) until it has caught up: late answers to all help nobody.',
  ),
  FLEETLM_LOAD_MEMORY_BYTES: optionalBytes(
    '¾ of the machine or container',
    'When the process takes more memory, and half of that is in use, the node takes nothing new: the rest is for what it has admitted.',
  ),
  FLEETLM_AGENT_ALLOWED_CIDRS: parsed(
    parseAllowedRanges,
    'Networks in which agents may be called although they are private or reserved, as `10.1.0.0/16,fd12::/16`. Whoever may register an endpoint reaches everything there, by https. Metadata services of clouds stay forbidden.',
  ),
  FLEETLM_AGENT_ALLOW_LOOPBACK: optionalBoolean(
    '1 with FLEETLM_AUTH=none on loopback, else 0',
    'Agents on this machine may be called, over plain http too: for development. It also opens whatever else listens here.',
  ),
  FLEETLM_AGENT_CONCURRENCY: integer(
    500,
    1,
    100_000,
    'Turns of one agent that a node runs at a time, each a connection to its endpoint: a slow agent must leave room for the others.',
  ),
  FLEETLM_TURNS_MAX: integer(
    2_000,
    1,
    100_000,
    'Turns that a node runs at a time, of all agents: each holds a connection and up to 1 MiB of its call, and as much of its answer. Further ones wait.',
  ),
  FLEETLM_DELIVERY_LOG_DAYS: integer(
    30,
    1,
    3_650,
    'How long attempts to call agents are listed: a month answers most questions, and the log grows with each turn.',
  ),
  FLEETLM_TOKEN: secret(
    'What `fleetlm agent turns` and `fleetlm agent redeliver` show to the server that they call: a token of the service. The server itself does not read it.',
  ),
  FLEETLM_SHUTDOWN_MS: milliseconds(
    30_000,
    'All the time that SIGTERM leaves for an orderly stop; what is not done by then is cut.',
  ),
  LOG_LEVEL: choice(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
    'info',
    'How much the log tells.',
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: parsed(
    parseCollectorUrl,
    'A collector that takes OTLP over HTTP (JSON), as `http://collector:4318`: traces go to `/v1/traces` there. Without it nothing is traced.',
  ),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: parsed(
    parseCollectorUrl,
    'The same as the whole address, for traces alone.',
  ),
  OTEL_EXPORTER_OTLP_HEADERS: secret(
    'Headers for the collector, as `name=value,name=value`, values percent-encoded.',
    checkHeaders,
  ),
  OTEL_SERVICE_NAME: text('fleetlm', 'What traces call this service.'),
  OTEL_TRACES_SAMPLER_ARG: ratio(
    1,
    'The share of traces that is exported, of those that begin here: a caller that sends `traceparent` has decided for its own.',
  ),
  OTEL_BSP_SCHEDULE_DELAY: milliseconds(
    5_000,
    'How long finished spans wait for others before they are exported; 512 do not wait.',
  ),
  FLEETLM_FAILPOINTS: parsed(
    (rules) => new Failpoints(rules),
    'Faults to provoke at named places, for tests: `after_commit_before_ack=kill@0.01;seed=7`.',
  ),
} satisfies Record<string, Variable<unknown>>;

/**
 * `pg` takes any text, and looks for a host named "base" or for a database of the user's name; or it throws "Invalid
 * URL" at each connection, as for a password with a slash. A host may be missing before the path: that is a Unix socket.
 */
function checkPostgresUrl(text: string): string | null {
  if (!/^postgres(ql)?:\/\/./.test(text)) return 'must be postgres://user:password@host:port/database';
  if (URL.canParse(text.replace('@/', '@localhost/'))) return null;
  return 'is no URL: percent-encode what is special in its password (/ as %2F, @ as %40, % as %25)';
}

/** HMAC-SHA-256 is as strong as its key, up to the size of the hash (RFC 7518, 3.2). */
const minKeyBytes = 32;

function checkKey(text: string): string | null {
  return Buffer.byteLength(text) >= minKeyBytes ? null : `must hold at least ${minKeyBytes} bytes`;
}
