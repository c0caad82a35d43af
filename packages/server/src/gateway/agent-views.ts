import type { EndpointTest, Endpoint as EndpointView } from '@fleetlm/protocol';
import type { Endpoint } from '../agents/endpoints/endpoint.ts';
import type { ChangedEndpoint } from '../agents/endpoints/endpoints.ts';
import type { TestReport } from '../agents/test-call.ts';

/** An endpoint as callers see it: field by field, so that no secret is among them. */
export function viewEndpoint(endpoint: Endpoint): EndpointView {
  return {
    agent_id: endpoint.agentId,
    origin_url: endpoint.originUrl,
    auth_strategy: endpoint.authStrategy,
    headers: endpoint.headers,
    timeout_ms: endpoint.timeoutMs,
    idle_timeout_ms: endpoint.idleTimeoutMs,
    max_duration_ms: endpoint.maxDurationMs,
    retry_policy: { max_attempts: endpoint.maxAttempts, backoff_ms: [...endpoint.backoffMs] },
    history_mode: endpoint.historyMode,
    history_limit: endpoint.historyLimit,
    debounce_ms: endpoint.debounceMs,
    when_busy: endpoint.whenBusy,
    status: endpoint.status,
    previous_secret_until: endpoint.previousSecretUntil,
    inserted_at: endpoint.insertedAt,
    updated_at: endpoint.updatedAt,
  };
}

/** The same as a call left it: with the signing secret if the call has made it. */
export function viewChangedEndpoint({ endpoint, hasNewSecret }: ChangedEndpoint): EndpointView {
  return { ...viewEndpoint(endpoint), ...(hasNewSecret && { signing_secret: endpoint.signingSecret }) };
}

export function viewTest(report: TestReport): EndpointTest {
  return {
    ok: report.ok,
    http_status: report.httpStatus,
    latency_ms: report.latencyMs,
    first_chunk_ms: report.firstChunkMs,
    content_type: report.contentType,
    chunks: report.chunks,
    text: report.text,
    error_reason: report.errorReason,
    response_excerpt: report.responseExcerpt,
  };
}
