import type { AuthStrategy, BusyMode, EndpointStatus, HistoryMode, ParticipantId } from '@fleetlm/protocol';
import type { EndpointHeaders } from '../webhook/endpoint-headers.ts';
import { parseSigningSecret, type SigningKey } from '../webhook/signature.ts';
import type { WebhookCall } from '../webhook/webhook-client.ts';

/** Where an agent is called, and how. Holds secrets: it is shown to nobody as it is. */
export interface Endpoint {
  readonly agentId: ParticipantId;
  readonly originUrl: string;
  readonly authStrategy: AuthStrategy;
  /** A bearer token, or what calls are signed with instead of `signingSecret`; null with `none`. */
  readonly authValue: string | null;
  readonly headers: EndpointHeaders;
  /** From the call's begin to the first byte of its answer. */
  readonly timeoutMs: number;
  /** Between bytes of the answer. */
  readonly idleTimeoutMs: number;
  readonly maxDurationMs: number;
  readonly maxAttempts: number;
  /** The waits between attempts; the last one again for any further attempt. */
  readonly backoffMs: readonly number[];
  readonly historyMode: HistoryMode;
  readonly historyLimit: number;
  readonly debounceMs: number;
  readonly whenBusy: BusyMode;
  readonly status: EndpointStatus;
  readonly signingSecret: string;
  /** During a rotation the secret before this one; it signs until `previousSecretUntil`. */
  readonly previousSecret: string | null;
  readonly previousSecretUntil: string | null;
  readonly insertedAt: string;
  readonly updatedAt: string;
}

/** What an endpoint says of each call of it. */
export type CallFacts = Pick<WebhookCall, 'url' | 'keys' | 'headers' | 'limits'>;

/** What calls of the endpoint are made with, at this time (`Date.now()`). */
export function callFacts(endpoint: Endpoint, nowMs: number): CallFacts {
  const { originUrl, headers, authStrategy, authValue } = endpoint;
  return {
    url: originUrl,
    keys: secretsOf(endpoint, nowMs).map(toKey),
    headers: authStrategy === 'bearer' ? { ...headers, authorization: `Bearer ${authValue}` } : headers,
    limits: {
      firstChunkMs: endpoint.timeoutMs,
      idleMs: endpoint.idleTimeoutMs,
      maxDurationMs: endpoint.maxDurationMs,
    },
  };
}

/** The newest first. */
function secretsOf(endpoint: Endpoint, nowMs: number): readonly string[] {
  const { authStrategy, authValue, signingSecret, previousSecret, previousSecretUntil } = endpoint;
  if (authStrategy === 'hmac') return [authValue!];
  const isRotating = previousSecretUntil !== null && nowMs < Date.parse(previousSecretUntil);
  return isRotating ? [signingSecret, previousSecret!] : [signingSecret];
}

/** Whatever is stored was checked: a secret that is none is a fault. */
function toKey(secret: string): SigningKey {
  const key = parseSigningSecret(secret);
  if (key === null) throw new Error('an endpoint has a secret that nothing can be signed with');
  return key;
}
