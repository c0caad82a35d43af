import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** From a commit on an idle disk to the deadline of an append. */
const appendBucketsMs = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];
/** From one reader to a thousand: tens of microseconds to some milliseconds. */
const handOverBucketsMs = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250];
/** From a look into memory to a query that waits. */
const cacheBucketsMs = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1_000];
const queueBuckets = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];
const batchBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];
/** From an agent on this machine to the longest that one may take. */
const turnBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * Makes every series that FleetLM has of its own, in the order of `docs/metrics.md`, on one registry. Names that the
 * original FleetLM had are kept, with their milliseconds; newer ones have their unit in the name, and it is seconds.
 */
export function createInstruments(registry: Registry) {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Gauge({ name, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, buckets: number[], ...labelNames: L[]) =>
    new Histogram({ name, help, buckets, labelNames, registers });

  return {
    appendDuration: histogram(
      'fleetlm_session_append_duration',
      'Milliseconds from taking a message to answering its sender. status: ok, duplicate (sent before), refused (by a rule), overloaded, failed (Postgres refused), unknown (it may be stored).',
      appendBucketsMs,
      'status',
    ),
    appends: counter(
      'fleetlm_session_append_total',
      'Messages that were taken and answered, by status as above.',
      'status',
    ),
    queueLength: histogram(
      'fleetlm_session_queue_length',
      'Messages that a lane has before it when it takes its next batch, those of the batch included.',
      queueBuckets,
    ),
    fanoutDuration: histogram(
      'fleetlm_session_fanout_duration',
      'Milliseconds to hand on what happened: session, the messages of one commit to who follows their sessions here; inbox, one flush to the inboxes that are followed here, with its queries.',
      handOverBucketsMs,
      'type',
    ),
    broadcastDuration: histogram(
      'fleetlm_pubsub_broadcast_duration',
      'Milliseconds to put one event into the queues of all who listen to its topic here.',
      handOverBucketsMs,
      'topic_group',
    ),
    broadcasts: counter(
      'fleetlm_pubsub_broadcast_total',
      'Events that were handed to at least one listener here.',
      'topic_group',
    ),
    cacheHitDuration: histogram(
      'fleetlm_cache_hit_duration',
      'Milliseconds to serve from memory. cache: session_tail (a page of a session that is followed), session_kept and inbox_view (a session or inbox that is followed again; the inbox is compared with Postgres).',
      cacheBucketsMs,
      'cache',
    ),
    cacheHits: counter('fleetlm_cache_hits_total', 'Times that memory had it, by cache as above.', 'cache'),
    cacheMissDuration: histogram(
      'fleetlm_cache_miss_duration',
      'Milliseconds to read from Postgres what memory did not have, by cache as above.',
      cacheBucketsMs,
      'cache',
    ),
    cacheMisses: counter(
      'fleetlm_cache_misses_total',
      'Times that Postgres was asked instead, by cache as above.',
      'cache',
    ),
    messagesSent: counter(
      'fleetlm_chat_messages_sent_total',
      'Messages that were stored. role: their kind, text, system, tool_call or assistant.',
      'role',
    ),
    activeSessions: gauge(
      'fleetlm_chat_conversations_active_count',
      'Sessions that are followed here, or were until a moment ago.',
    ),
    activeInboxes: gauge(
      'fleetlm_chat_inboxes_active_count',
      'Inboxes that are followed here, or were until a moment ago.',
    ),
    turns: counter(
      'fleetlm_agent_turns_total',
      'Turns of agents that ended here. status: completed, failed, stopped, or dead (after the last attempt).',
      'status',
    ),
    turnDuration: histogram(
      'fleetlm_agent_turn_duration_seconds',
      'Time from the message that made a turn to its end.',
      turnBuckets,
      'status',
    ),
    firstChunk: histogram(
      'fleetlm_agent_first_chunk_seconds',
      'Time from the message that made a turn to the first that its agent answered.',
      turnBuckets,
    ),
    deliveries: counter(
      'fleetlm_agent_deliveries_total',
      'Calls of agents, by outcome: sent, retry (it failed, and is made again) or failed.',
      'status',
    ),
    runningTurns: gauge('fleetlm_agent_turns_running', 'Turns of agents that run here now.'),
    runningStreams: gauge('fleetlm_streams_running', 'Answers of agents that stream here now.'),
    streamChunks: counter(
      'fleetlm_stream_chunks_total',
      'Chunks of them that were handed to at least one reader here; deltas that were joined count as one.',
    ),
    connections: gauge('fleetlm_connections_open', 'WebSockets that are open.'),
    topics: gauge('fleetlm_topics_joined', 'Topics that are joined, or being joined, of all WebSockets.'),
    connectionsClosed: counter(
      'fleetlm_connections_closed_total',
      'WebSockets that ended. by: who closed it, server or client; code: the close code, or other.',
      'by',
      'code',
    ),
    handshakes: counter(
      'fleetlm_handshakes_total',
      'WebSocket handshakes, by the status they were answered with: 101 is a new connection.',
      'status',
    ),
    joins: counter(
      'fleetlm_joins_total',
      'Joins that reached a channel. topic_group: session, inbox or other; result: ok, unmatched, crashed, or an error code.',
      'topic_group',
      'result',
    ),
    framesReceived: counter('fleetlm_frames_received_total', 'Frames that came from clients.'),
    rateLimited: counter(
      'fleetlm_rate_limited_total',
      'Answers that say "too fast". edge: frame, request or handshake.',
      'edge',
    ),
    batchRows: histogram('fleetlm_append_batch_rows', 'Messages of one commit.', batchBuckets),
    commitDuration: histogram(
      'fleetlm_append_commit_duration_seconds',
      'Time of one transaction that stores a batch.',
      secondsBuckets,
    ),
    failedAttempts: counter(
      'fleetlm_append_failed_attempts_total',
      'Transactions that did not commit, and were tried again, divided or given up. failure: locked, collision, bad_data, exhausted, refused or unknown.',
      'failure',
    ),
    queuedRows: gauge('fleetlm_append_queued_rows', 'Messages that wait for their commit now.'),
    queuedBytes: gauge('fleetlm_append_queued_bytes', 'Their content, in bytes.'),
    ready: gauge('fleetlm_ready', '1 while `/health/ready` says so: traffic may come.'),
    full: gauge(
      'fleetlm_load_full',
      '1 while the node takes nothing new, by reason: lag (of the event loop) or memory.',
      'reason',
    ),
    sheds: counter(
      'fleetlm_load_shed_total',
      'What was refused since the node was full. what: handshake, request, join, send or history. (A full append queue: status overloaded of the appends.)',
      'what',
    ),
    poolConnections: gauge(
      'fleetlm_postgres_pool_connections',
      'Connections of the pool for everything but appends.',
    ),
    poolIdle: gauge('fleetlm_postgres_pool_idle_connections', 'Those of them that do nothing now.'),
    poolWaiting: gauge('fleetlm_postgres_pool_waiting', 'Queries that wait for a connection of the pool.'),
    requests: counter(
      'fleetlm_http_requests_total',
      'HTTP requests that were answered. route: the pattern of the path, or none.',
      'method',
      'route',
      'status',
    ),
    requestDuration: histogram(
      'fleetlm_http_request_duration_seconds',
      'Time from the headers of a request to the end of its answer. Those that last as long as a stream of an agent are left out.',
      secondsBuckets,
      'method',
      'route',
    ),
    buildInfo: gauge('fleetlm_build_info', 'Always 1; the version of FleetLM is its label.', 'version'),
  };
}
