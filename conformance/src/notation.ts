import { type ErrorCode, errorTable } from '@fleetlm/protocol';
import { anything, holding, Pattern } from './pattern.ts';

/** The payloads of `phx_reply`. */
export const ok = (response: unknown = anything) => ({ status: 'ok', response });
export const okEmpty = ok({});
export const unmatched = { status: 'error', response: { reason: 'unmatched topic' } };

/** An error reply with a code of the table: `{reason, message, retryable, errors?}`. */
export function error(code: ErrorCode, fields: Readonly<Record<string, unknown>> = {}): unknown {
  const { retryable } = errorTable[code];
  const message = new Pattern('…', (seen) => typeof seen === 'string' && seen !== '');
  return { status: 'error', response: holding({ reason: code, message, retryable, ...fields }) };
}

/** The payload of `send`, in the original's envelope. */
export function say(text: string, more: object = {}): object {
  return { content: { content: { text } }, ...more };
}

/** A `message` event that says this. */
export function saying(text: string): Pattern {
  return holding({ kind: 'text', content: { text } });
}
