import { type WireError, wireError } from '@fleetlm/protocol';

/** The error for one bad field, e.g. `peer_id`, `must be somebody else`. */
export function invalidField(field: string, problem: string): WireError {
  return wireError('invalid_request', `${field} ${problem}`, { [field]: [problem] });
}
