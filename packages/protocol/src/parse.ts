import type { z } from 'zod';
import { type FieldErrors, type WireError, wireError } from './errors.ts';

/** What an edge gets from a shape: the typed value, or the error to answer with. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: WireError };

/** Checks `value` against a shape. The error is `invalid_request` and names each bad field. */
export function parseShape<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): Parsed<z.infer<Schema>> {
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  const errors = toFieldErrors(result.error.issues);
  return { ok: false, error: wireError('invalid_request', describe(errors), errors) };
}

/** Field errors in the form of the wire: nested fields are named with dots, the value as a whole `body`. */
function toFieldErrors(issues: readonly z.core.$ZodIssue[]): FieldErrors {
  const errors: Record<string, string[]> = Object.create(null);
  for (const issue of issues) {
    const field = issue.path.length === 0 ? 'body' : issue.path.map(String).join('.');
    const texts = errors[field] ?? [];
    // A number beyond all integers is two issues of one text.
    if (!texts.includes(issue.message)) errors[field] = [...texts, issue.message];
  }
  return errors;
}

function describe(errors: FieldErrors): string {
  return Object.entries(errors)
    .map(([field, texts]) => `${field} ${texts.join(', ')}`)
    .join('; ');
}
