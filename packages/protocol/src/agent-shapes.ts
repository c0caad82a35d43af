/**
 * The shapes of agents' endpoints, turns and deliveries. What a URL, a header or an `auth_value` may be, the server
 * says: it is who calls them.
 */

import { z } from 'zod';
import { objectShape, optionalObjectShape } from './object-shape.ts';
import {
  countSchema,
  cursorSchema,
  messageIdSchema,
  participantIdSchema,
  seqSchema,
  sessionIdSchema,
  streamIdSchema,
  timestampSchema,
  turnIdSchema,
  turnStatuses,
} from './shapes.ts';

export const authStrategies = ['none', 'bearer', 'hmac'] as const;
/** How much of a session a call shows: its newest messages, the newest one, or as many as fit. */
export const historyModes = ['tail', 'last', 'entire'] as const;
/** What becomes of a running turn when there is something new: it goes on, or gives way. */
export const busyModes = ['queue', 'interrupt'] as const;
export const endpointStatuses = ['enabled', 'disabled'] as const;
/** Of one attempt: answered, failed and to be made again, failed for good. */
export const deliveryStatuses = ['sent', 'retry', 'failed'] as const;

export type AuthStrategy = (typeof authStrategies)[number];
export type HistoryMode = (typeof historyModes)[number];
export type BusyMode = (typeof busyModes)[number];
export type EndpointStatus = (typeof endpointStatuses)[number];

/** Below it not even a handshake across the world fits. */
const minWaitMs = 100;
/** Models that think take minutes; nobody watches an empty screen for longer than ten. */
const maxWaitMs = 600_000;
/** An answer that takes longer is a job: answer 202, and write when it is done. */
const maxDurationMs = 3_600_000;
/** With the default's last wait these are five minutes; a turn that waits holds up its session. */
const maxAttempts = 20;
/** As long as a Retry-After can ask for. */
const maxBackoffMs = 3_600_000;
/** As many messages as a page has. */
const maxHistory = 200;
/** People who wait for an answer take longer for silence; the turn itself waits up to ten times as long. */
const maxDebounceMs = 60_000;

export const endpointDefaults = {
  timeout_ms: 30_000,
  idle_timeout_ms: 30_000,
  max_duration_ms: 300_000,
  retry_policy: { max_attempts: 4, backoff_ms: [1_000, 5_000, 15_000] },
  history_mode: 'tail',
  history_limit: 20,
  debounce_ms: 0,
  when_busy: 'queue',
  status: 'enabled',
} as const;

const originUrlSchema = z.string('must be a URL').meta({ examples: ['https://agent.example/turns'] });
const headersSchema = z
  .record(z.string(), z.string('must be a text'), 'must be an object of texts')
  .meta({ examples: [{ 'x-tenant': 'acme' }] });

/** `PUT /api/agents/:id/endpoint`: what is left out stays, or gets its default. */
export const endpointBodySchema = optionalObjectShape({
  origin_url: originUrlSchema.optional(),
  auth_strategy: oneOf(authStrategies).optional(),
  auth_value: z.string('must be a text').meta({ description: 'Write-only' }).optional(),
  headers: headersSchema.optional(),
  timeout_ms: integerIn(minWaitMs, maxWaitMs).optional(),
  idle_timeout_ms: integerIn(minWaitMs, maxWaitMs).optional(),
  max_duration_ms: integerIn(minWaitMs, maxDurationMs).optional(),
  retry_policy: objectShape({
    max_attempts: integerIn(1, maxAttempts).optional(),
    backoff_ms: z
      .array(integerIn(0, maxBackoffMs), 'must be an array of milliseconds')
      .min(1, 'must hold at least one')
      .max(maxAttempts, `must hold at most ${maxAttempts}`)
      .optional(),
  }).optional(),
  history_mode: oneOf(historyModes).optional(),
  history_limit: integerIn(1, maxHistory).optional(),
  debounce_ms: integerIn(0, maxDebounceMs).optional(),
  when_busy: oneOf(busyModes).optional(),
  status: oneOf(endpointStatuses).optional(),
});
export type EndpointBody = z.infer<typeof endpointBodySchema>;

export const endpointSchema = z.object({
  agent_id: participantIdSchema,
  origin_url: originUrlSchema,
  auth_strategy: z.enum(authStrategies),
  headers: headersSchema,
  timeout_ms: z.int(),
  idle_timeout_ms: z.int(),
  max_duration_ms: z.int(),
  retry_policy: z.object({ max_attempts: z.int(), backoff_ms: z.array(z.int()) }),
  history_mode: z.enum(historyModes),
  history_limit: z.int(),
  debounce_ms: z.int(),
  when_busy: z.enum(busyModes),
  status: z.enum(endpointStatuses),
  signing_secret: z
    .string()
    .meta({ description: 'Shown once: by the call that made it', examples: ['whsec_…'] })
    .optional(),
  previous_secret_until: timestampSchema
    .nullable()
    .meta({ description: 'Until then calls are signed with the secret before this one, too' }),
  inserted_at: timestampSchema,
  updated_at: timestampSchema,
});
export type Endpoint = z.infer<typeof endpointSchema>;

export const turnSchema = z.object({
  id: turnIdSchema,
  agent_id: participantIdSchema,
  session_id: sessionIdSchema,
  from_seq: cursorSchema,
  to_seq: cursorSchema,
  status: z.enum(turnStatuses),
  attempt: countSchema,
  hop: countSchema,
  next_attempt_at: timestampSchema,
  stop_requested_at: timestampSchema.nullable(),
  stream_id: streamIdSchema.nullable(),
  message_id: messageIdSchema.nullable(),
  reply_seq: seqSchema.nullable(),
  error: z.string().nullable(),
  inserted_at: timestampSchema,
  updated_at: timestampSchema,
});
export type Turn = z.infer<typeof turnSchema>;

export const deliverySchema = z.object({
  id: z.string().meta({ description: 'Opaque' }),
  agent_id: participantIdSchema,
  turn_id: turnIdSchema,
  session_id: sessionIdSchema,
  attempt: countSchema,
  status: z.enum(deliveryStatuses),
  http_status: z.int().nullable(),
  latency_ms: countSchema,
  response_excerpt: z.string().nullable(),
  error_reason: z.string().nullable(),
  inserted_at: timestampSchema,
});
export type Delivery = z.infer<typeof deliverySchema>;

/** What one call of an endpoint with a sample came to. */
export const endpointTestSchema = z.object({
  ok: z.boolean(),
  http_status: z.int().nullable(),
  latency_ms: countSchema,
  first_chunk_ms: countSchema.nullable(),
  content_type: z.string().nullable(),
  chunks: countSchema,
  text: z.string(),
  error_reason: z.string().nullable(),
  response_excerpt: z.string(),
});
export type EndpointTest = z.infer<typeof endpointTestSchema>;

export const endpointReplySchema = z.object({ endpoint: endpointSchema });
export const endpointTestReplySchema = z.object({ test: endpointTestSchema });
export const turnReplySchema = z.object({ turn: turnSchema });
export const turnsReplySchema = z.object({ turns: z.array(turnSchema), next_cursor: z.string().nullable() });
export const deliveriesReplySchema = z.object({
  deliveries: z.array(deliverySchema),
  next_cursor: z.string().nullable(),
});

function oneOf<const Values extends readonly string[]>(values: Values) {
  return z.enum(values, `must be one of ${values.join(', ')}`);
}

function integerIn(min: number, max: number) {
  const hint = `must be an integer from ${min} to ${max}`;
  return z.int(hint).min(min, hint).max(max, hint);
}
