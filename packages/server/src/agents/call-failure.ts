/**
 * Why a call of an agent failed, and whether the same call may be made again as long as nothing of its answer was
 * shown: what another attempt can heal is, what the endpoint has decided is not.
 */
const retryableByReason = {
  url_not_allowed: false,
  address_not_allowed: false,
  name_not_found: true,
  connect_failed: true,
  connect_timeout: true,
  tls_failed: true,
  connection_lost: true,
  invalid_http: true,
  first_chunk_timeout: true,
  idle_timeout: true,
  // The next attempt would take as long.
  duration_exceeded: false,
  headers_too_large: false,
  redirected: false,
  rate_limited: true,
  request_timeout: true,
  server_error: true,
  refused: false,
  /** 410: the endpoint wants no calls any more. */
  gone: false,
  encoded: false,
  unknown_content_type: false,
  invalid_answer: false,
  answer_too_large: false,
  line_too_large: false,
  too_many_chunks: false,
  /** By whoever made the call. */
  aborted: false,
} as const satisfies Record<string, boolean>;

export type FailureReason = keyof typeof retryableByReason;

export interface CallFailure {
  readonly reason: FailureReason;
  /** For the operator; of what the endpoint said only what is printable. */
  readonly detail: string;
  /** As long as nothing of the answer was shown. */
  readonly retryable: boolean;
  /** The HTTP status, if there was one. */
  readonly status?: number;
  /** How long the endpoint wants to be left alone. */
  readonly retryAfterMs?: number;
}

/** A failure; whether it is retryable follows from its reason. */
export function callFailure(
  reason: FailureReason,
  detail: string,
  facts: Pick<CallFailure, 'status' | 'retryAfterMs'> = {},
): CallFailure {
  return { reason, detail, retryable: retryableByReason[reason], ...facts };
}

/** Carries a failure through streams and sockets, which know no other way to end early. */
export class CallFailed extends Error {
  readonly failure: CallFailure;

  constructor(failure: CallFailure) {
    super(`${failure.reason}: ${failure.detail}`);
    this.name = 'CallFailed';
    this.failure = failure;
  }
}
