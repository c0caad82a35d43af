import { type EndpointBody, endpointDefaults, type ParticipantId } from '@fleetlm/protocol';
import type { Insertable, Selectable } from 'kysely';
import type { Database } from '../../storage/schema.ts';
import type { Endpoint } from './endpoint.ts';

type Table = Database['agent_endpoints'];
/** What is there is not undefined. */
type Given<Columns> = { [Name in keyof Columns]?: Exclude<Columns[Name], undefined> };

/** An endpoint as it is stored for the first time. */
export function newRow(
  agentId: ParticipantId,
  change: EndpointBody,
  signingSecret: string,
): Insertable<Table> {
  const { retry_policy: policy, ...plain } = endpointDefaults;
  return {
    ...plain,
    max_attempts: policy.max_attempts,
    backoff_ms: [...policy.backoff_ms],
    ...toColumns(change),
    agent_id: agentId,
    // Judged before: a new endpoint has one.
    origin_url: hrefOf(change.origin_url!),
    signing_secret: signingSecret,
  };
}

/** The columns that a change names. */
export function toColumns({ headers, retry_policy: policy, ...plain }: EndpointBody) {
  const columns = {
    ...plain,
    origin_url: plain.origin_url && hrefOf(plain.origin_url),
    headers: headers && JSON.stringify(headers),
    max_attempts: policy?.max_attempts,
    backoff_ms: policy?.backoff_ms,
    ...(plain.auth_strategy === 'none' && { auth_value: null }),
  };
  const given = Object.entries(columns).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Given<typeof columns>;
}

/** As it is called, and as logs have it: without tabs, lines and escapes of whoever typed it. */
function hrefOf(url: string): string {
  return new URL(url).href;
}

export function toEndpoint(row: Selectable<Table>): Endpoint {
  return {
    agentId: row.agent_id,
    originUrl: row.origin_url,
    authStrategy: row.auth_strategy,
    authValue: row.auth_value,
    headers: row.headers,
    timeoutMs: row.timeout_ms,
    idleTimeoutMs: row.idle_timeout_ms,
    maxDurationMs: row.max_duration_ms,
    maxAttempts: row.max_attempts,
    backoffMs: row.backoff_ms,
    historyMode: row.history_mode,
    historyLimit: row.history_limit,
    debounceMs: row.debounce_ms,
    whenBusy: row.when_busy,
    status: row.status,
    signingSecret: row.signing_secret,
    previousSecret: row.previous_secret,
    previousSecretUntil: row.previous_secret_until,
    insertedAt: row.inserted_at,
    updatedAt: row.updated_at,
  };
}
