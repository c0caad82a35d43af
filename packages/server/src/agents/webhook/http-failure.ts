import type { IncomingMessage } from 'node:http';
import { type CallFailure, callFailure, type FailureReason } from '../call-failure.ts';
import { toExcerpt } from './response-excerpt.ts';
import { parseRetryAfter } from './retry-after.ts';

type Head = Pick<IncomingMessage, 'statusCode' | 'headers'>;

/** Why an answer with this status and these headers is none, or null. */
export function findRefusal({ statusCode: status = 0, headers }: Head, nowMs: number): CallFailure | null {
  if (status >= 200 && status < 300) return isEncoded(headers) ? encoded(headers, status) : null;
  const retryAfterMs = parseRetryAfter(headers['retry-after'], nowMs);
  const detail = `answered ${status}${locationIn(headers)}`;
  return callFailure(reasonOf(status), detail, {
    status,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** What an error of the connection or the HTTP parser means. */
export function failureOfError({ code = '', message }: NodeJS.ErrnoException): CallFailure {
  if (code === 'HPE_HEADER_OVERFLOW') return callFailure('headers_too_large', code);
  if (code.startsWith('HPE_')) return callFailure('invalid_http', code);
  return callFailure('connection_lost', code || message);
}

function reasonOf(status: number): FailureReason {
  if (status === 408) return 'request_timeout';
  if (status === 410) return 'gone';
  if (status === 429) return 'rate_limited';
  if (status >= 300 && status < 400) return 'redirected';
  if (status >= 400 && status < 500) return 'refused';
  return status >= 500 && status < 600 ? 'server_error' : 'invalid_http';
}

function isEncoded(headers: Head['headers']): boolean {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? '';
  return encoding !== '' && encoding !== 'identity';
}

function encoded(headers: Head['headers'], status: number): CallFailure {
  const encoding = toExcerpt(Buffer.from(headers['content-encoding'] ?? ''));
  return callFailure('encoded', `answered with content-encoding ${encoding}, asked for none`, { status });
}

/** Where a redirect points to, so that its owner can correct the URL. It is never followed. */
function locationIn({ location }: Head['headers']): string {
  return location === undefined ? '' : `, location ${toExcerpt(Buffer.from(location))}`;
}
