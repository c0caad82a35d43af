/**
 * The one table of wire errors. The code is the contract: it is never reused for another meaning, and REST
 * and channels use the same. `docs/errors.md` lists the same rows.
 */

interface ErrorRow {
  /** HTTP status; in a channel reply only the code is sent. */
  readonly status: number;
  /** Whether the same request may succeed later, unchanged. */
  readonly retryable: boolean;
  readonly title: string;
}

const rows = {
  invalid_json: { status: 400, retryable: false, title: 'The body is not JSON' },
  bad_request: { status: 400, retryable: false, title: 'The request is malformed' },
  unauthorized: { status: 401, retryable: false, title: 'A valid identity is required' },
  forbidden: { status: 403, retryable: false, title: 'You may not do this' },
  participant_disabled: { status: 403, retryable: false, title: 'The participant is disabled' },
  not_found: { status: 404, retryable: false, title: 'There is nothing here' },
  session_not_found: {
    status: 404,
    retryable: false,
    title: 'The session does not exist, or you are not in it',
  },
  participant_not_found: { status: 404, retryable: false, title: 'The participant does not exist' },
  endpoint_not_found: { status: 404, retryable: false, title: 'The agent has no endpoint' },
  turn_not_found: { status: 404, retryable: false, title: 'The agent has no such turn' },
  turn_pending: {
    status: 409,
    retryable: true,
    title: 'The agent has a pending turn in this session already',
  },
  turn_running: { status: 409, retryable: true, title: 'The agent has a running turn in this session' },
  client_id_conflict: { status: 409, retryable: false, title: 'The client_id was used for another message' },
  session_closed: { status: 409, retryable: false, title: 'The session is closed' },
  payload_too_large: { status: 413, retryable: false, title: 'The request is too large' },
  unsupported_media_type: { status: 415, retryable: false, title: 'The body must be application/json' },
  invalid_request: { status: 422, retryable: false, title: 'A field is invalid' },
  url_not_allowed: { status: 422, retryable: false, title: 'FleetLM may not call this URL' },
  not_a_member: { status: 422, retryable: false, title: 'The participant is not a member of the session' },
  not_a_group: { status: 422, retryable: false, title: 'Only groups have changing members' },
  rate_limited: { status: 429, retryable: true, title: 'Too many requests' },
  internal_error: { status: 500, retryable: true, title: 'Something went wrong here' },
  overloaded: { status: 503, retryable: true, title: 'The server has too much to do; nothing was stored' },
  draining: { status: 503, retryable: true, title: 'The server is shutting down' },
  outcome_unknown: {
    status: 504,
    retryable: true,
    title: 'Whether the message was stored is not known; send it again with the same client_id',
  },
  unknown_event: { status: 400, retryable: false, title: 'The topic has no such event' },
  binary_unsupported: { status: 400, retryable: false, title: 'Binary payloads are not supported here' },
} as const satisfies Record<string, ErrorRow>;

/** A machine-readable error code, the same on REST and in channels. */
export type ErrorCode = keyof typeof rows;

/** Every error code with its HTTP status, retryability and title. */
export const errorTable: Readonly<Record<ErrorCode, ErrorRow>> = rows;

/** What is wrong with each field: `{field: [text, …]}`. */
export type FieldErrors = Readonly<Record<string, readonly string[]>>;

/** An error as data: what happened, told in `detail` so that the reader knows what to do. */
export interface WireError {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly errors?: FieldErrors;
}

/** The error payload of a channel reply: `{reason, message, retryable, errors?}`. */
export interface ErrorReply {
  readonly reason: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly errors?: FieldErrors;
}

/** A `WireError`; `detail` defaults to the code's title. */
export function wireError(code: ErrorCode, detail?: string, errors?: FieldErrors): WireError {
  return { code, detail: detail ?? errorTable[code].title, ...(errors && { errors }) };
}

/** The channel form of an error. */
export function toErrorReply(error: WireError): ErrorReply {
  return {
    reason: error.code,
    message: error.detail,
    retryable: errorTable[error.code].retryable,
    ...(error.errors && { errors: error.errors }),
  };
}
