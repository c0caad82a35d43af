import type { JsonObject, WireError } from '@fleetlm/protocol';
import { invalidField } from './invalid-field.ts';

/** Why metadata of a participant or a session is too large, or null. */
export function checkMetadata(metadata: JsonObject | undefined, maxBytes: number): WireError | null {
  if (metadata === undefined || Buffer.byteLength(JSON.stringify(metadata)) <= maxBytes) return null;
  return invalidField('metadata', `must not exceed ${maxBytes} bytes of JSON`);
}
