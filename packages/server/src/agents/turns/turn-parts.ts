import type { Appender } from '../../conversation/append/appender.ts';
import type { Failpoints } from '../../lib/failpoints.ts';
import type { Log } from '../../lib/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { Tracing } from '../../observability/tracing.ts';
import type { Db } from '../../storage/database.ts';
import type { StreamRegistry } from '../../streams/stream-registry.ts';
import type { Endpoints } from '../endpoints/endpoints.ts';
import type { WebhookClient } from '../webhook/webhook-client.ts';
import type { TurnStore } from './turn-store.ts';

/** What turns need of their node. */
export interface TurnParts {
  readonly db: Db;
  readonly store: TurnStore;
  readonly endpoints: Endpoints;
  readonly webhooks: WebhookClient;
  readonly appender: Appender;
  readonly streams: StreamRegistry;
  readonly failpoints: Failpoints;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly log: Log;
}
