import type { WireError } from '@fleetlm/protocol';

/** An expected outcome: a value, or an error that the caller can tell its client as it is. */
export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: WireError };

export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

export function fail(error: WireError): { readonly ok: false; readonly error: WireError } {
  return { ok: false, error };
}
