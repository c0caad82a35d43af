import { Registry } from 'prom-client';
import { createInstruments } from './instruments.ts';

/** `docs/metrics.md`: every series that FleetLM has of its own. */
export function describeMetrics(): string {
  const registry = new Registry();
  createInstruments(registry);
  return `${introduction}${registry.getMetricsAsArray().map(describe).join('\n')}\n${rest}`;
}

function describe(metric: object): string {
  // prom-client's types leave the labels out.
  const { name, type, labelNames, help } = metric as Described;
  const labels = labelNames.map((label) => `\`${label}\``).join(', ');
  return `| \`${name}\` | ${type} | ${labels} | ${help} |`;
}

interface Described {
  readonly name: string;
  readonly type: string;
  readonly labelNames: readonly string[];
  readonly help: string;
}

const introduction = `# Metrics

\`GET /metrics\` tells Prometheus how a node is. This page is made from the code by \`npm run docs\`.

## Scraping

Give the operations a port of their own, which needs no token and should be reached by nobody but Prometheus and the
load balancer. It serves \`/metrics\`, \`/health/live\` and \`/health/ready\`, from the first moment of a start to the last of a
stop, and nothing else; \`PORT\` then has no \`/metrics\`.

\`\`\`sh
FLEETLM_OPS_PORT=9400 FLEETLM_OPS_HOST=10.0.0.7 fleetlm start
\`\`\`

\`\`\`yaml
scrape_configs:
  - job_name: fleetlm
    static_configs:
      - targets: ['10.0.0.7:9400']
\`\`\`

Without it \`PORT\` serves \`/metrics\`, to the service alone: Prometheus then needs a token of that role
(\`authorization: { credentials_file: … }\`).

Every number is of one node, and counts from its start. No label is an id, a path, or anything else that a caller
chooses.

## Where to look first

1. \`fleetlm_session_append_duration\` with status \`ok\`: how long people wait for their message to be safe.
2. \`fleetlm_session_append_total\` with any other status: \`overloaded\` and \`unknown\` are ours, \`refused\` is the callers'.
3. \`fleetlm_load_full\` and \`fleetlm_load_shed_total\`: the node has more to do than it can.
4. \`fleetlm_connections_open\`, and \`fleetlm_connections_closed_total\` by code: 4008 are readers that are too slow.
5. \`fleetlm_postgres_pool_waiting\` and \`nodejs_eventloop_lag_p99_seconds\`: which of the two, Postgres or the processor, is at
   its end.

## Alerts

A node is away, or not ready.

\`\`\`promql
up{job="fleetlm"} == 0 or fleetlm_ready == 0
\`\`\`

Most sends are refused: Postgres is down or full, or there is far too much load.

\`\`\`promql
sum(rate(fleetlm_session_append_total{status="overloaded"}[5m]))
  > sum(rate(fleetlm_session_append_total{status="ok"}[5m]))
\`\`\`

Sending is slow: one in a hundred messages takes more than a second to store.

\`\`\`promql
histogram_quantile(0.99, sum by (le) (rate(fleetlm_session_append_duration_bucket{status="ok"}[5m]))) > 1000
\`\`\`

Senders are not told that their message is safe: Postgres refuses, or was lost on the way.

\`\`\`promql
sum(rate(fleetlm_session_append_total{status=~"failed|unknown"}[5m])) > 0
\`\`\`

A node is too small: it refuses what is new.

\`\`\`promql
sum by (instance) (rate(fleetlm_load_shed_total[5m])) > 0
  or sum by (instance) (rate(fleetlm_session_append_total{status="overloaded"}[5m])) > 0
\`\`\`

## The metrics

Durations without a unit in their names are milliseconds: the names are those of the original FleetLM. Those that end in
\`_seconds\` are seconds.

| Metric | Type | Labels | What it tells |
| --- | --- | --- | --- |
`;

const rest = `
Beside them are prom-client's of the process: \`process_cpu_seconds_total\`, \`process_resident_memory_bytes\`,
\`nodejs_heap_size_used_bytes\`, \`nodejs_gc_duration_seconds\`, \`nodejs_eventloop_lag_p99_seconds\` and others. They lack the
numbers of handles and open files, which take too long to find with many connections.
`;
