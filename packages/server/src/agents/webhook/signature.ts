import { createHmac, randomBytes } from 'node:crypto';

/** A key that calls are signed with: 24 to 64 bytes. */
export type SigningKey = Buffer;

/** What the signature of a call covers. */
export interface SignedCall {
  /** The turn's id: the same for each attempt, so that the agent can tell repetitions. It has no dot. */
  readonly id: string;
  /** The body as it is sent. */
  readonly body: Uint8Array;
  /** The newest first; during a rotation the old one too. */
  readonly keys: readonly SigningKey[];
  /** Seconds since 1970. Receivers refuse what is more than five minutes off. */
  readonly timestampSeconds: number;
}

/** By the Standard Webhooks specification. */
const minKeyBytes = 24;
const maxKeyBytes = 64;
const newKeyBytes = 32;

const prefix = 'whsec_';
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * The headers that prove who calls: Standard Webhooks, HMAC-SHA256 over `id.timestamp.body`, a signature for each
 * key. (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)
 */
export function signatureHeaders({ id, body, keys, timestampSeconds }: SignedCall): Record<string, string> {
  const head = `${id}.${timestampSeconds}.`;
  const signatures = keys.map(
    (key) => `v1,${createHmac('sha256', key).update(head).update(body).digest('base64')}`,
  );
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': signatures.join(' '),
  };
}

/** A new secret, as it is shown to whoever owns the endpoint: `whsec_` and base64. */
export function newSigningSecret(): string {
  return `${prefix}${randomBytes(newKeyBytes).toString('base64')}`;
}

/**
 * The key in a secret, or null when it is too short, too long, or no base64 after `whsec_`. A secret without that
 * prefix (an `auth_value` of the operator's own) is a text, and its UTF-8 bytes are the key.
 */
export function parseSigningSecret(secret: string): SigningKey | null {
  const key = secret.startsWith(prefix) ? decodeBase64(secret.slice(prefix.length)) : Buffer.from(secret);
  return key !== null && key.length >= minKeyBytes && key.length <= maxKeyBytes ? key : null;
}

/** Buffer.from would skip what is no base64, and sign with another key than the receiver has. */
function decodeBase64(text: string): Buffer | null {
  return base64.test(text) ? Buffer.from(text, 'base64') : null;
}
