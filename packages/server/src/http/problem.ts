import type { IncomingMessage } from 'node:http';
import { errorTable, type Problem, type WireError, wireError } from '@fleetlm/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '../lib/log.ts';

/** Thrown where only throwing ends a request: carries what the client is told. */
export class Refusal extends Error {
  readonly error: WireError;

  constructor(error: WireError) {
    super(error.detail);
    this.name = 'Refusal';
    this.error = error;
  }
}

export const problemMediaType = 'application/problem+json';

/**
 * When to come back after 429 and 503: a full append queue is half a second of work, and a draining node's
 * clients should soon reach another.
 */
const retryAfterSeconds = 1;

/** An upload that is too large by mistake still gets its answer; whoever sends more does not wait for one. */
const maxDiscardedBytes = 8 << 20;

/** The body of an error reply. */
export function toProblem(error: WireError, requestId: string): Problem {
  const { status, title, retryable } = errorTable[error.code];
  return {
    // A reference to our own errors page, so that it holds on every host that serves the docs, and names no
    // site that may not be there. RFC 9457 wants the full path then.
    type: `/docs/errors#${error.code}`,
    title,
    status,
    code: error.code,
    detail: error.detail,
    request_id: requestId,
    retryable,
    ...(error.errors && { errors: error.errors as Problem['errors'] }),
  };
}

/** Answers with a problem; what is left of the request is read and dropped. */
export function sendProblem(reply: FastifyReply, error: WireError): FastifyReply {
  const { status } = errorTable[error.code];
  if (status === 429 || status === 503) reply.header('retry-after', retryAfterSeconds);
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  // Fastify would close after a refused body. A close with bytes unread is a reset, which can overtake the reply.
  reply.header('connection', reply.raw.shouldKeepAlive ? 'keep-alive' : 'close');
  discardRest(reply.request.raw);
  return reply
    .code(status)
    .type(problemMediaType)
    .send(JSON.stringify(toProblem(error, reply.request.id)));
}

/** A known path with another method is not found either: no error code tells them apart. */
export function sendNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendProblem(reply, wireError('not_found', `There is no ${request.method} of this path`));
}

/** By which the log knows a request. */
export interface RequestIds {
  readonly requestId: string;
  readonly traceId?: string | undefined;
}

/** What the client is told of an error that was thrown. Our own failures are logged here, once. */
export function toWireError(error: unknown, log: Log, { requestId, traceId }: RequestIds): WireError {
  if (error instanceof Refusal) return error.error;
  const known = findFrameworkError(error);
  if (known !== null) return known;
  log.error({ err: error, request_id: requestId, trace_id: traceId }, 'request failed');
  return wireError('internal_error', `Something went wrong here; the log has it as ${requestId}`);
}

const frameworkErrors: ReadonlyMap<string, WireError> = new Map([
  ['FST_ERR_CTP_BODY_TOO_LARGE', wireError('payload_too_large')],
  ['FST_ERR_CTP_INVALID_MEDIA_TYPE', wireError('unsupported_media_type')],
  ['FST_ERR_BAD_URL', wireError('bad_request', 'The path holds a malformed percent-escape')],
]);

/** Only Fastify gives errors a status; a code alone says little, since Postgres' connections break by ECONNRESET too. */
function findFrameworkError(error: unknown): WireError | null {
  if (!(error instanceof Error && 'statusCode' in error)) return null;
  const known = 'code' in error ? frameworkErrors.get(String(error.code)) : undefined;
  const isOurs = typeof error.statusCode !== 'number' || error.statusCode >= 500;
  return known ?? (isOurs ? null : wireError('bad_request', 'The request is malformed, or ended early'));
}

/** Reads what is left of a request, for the sake of its connection. */
export function discardRest(request: IncomingMessage): void {
  if (request.complete) return;
  let leftBytes = maxDiscardedBytes;
  request.on('data', (chunk: Buffer) => {
    leftBytes -= chunk.length;
    if (leftBytes < 0) request.destroy();
  });
  // Whoever read a part of it may have paused it.
  request.resume();
}
