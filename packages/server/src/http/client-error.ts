import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { wireError } from '@fleetlm/protocol';
import { problemMediaType, toProblem } from './problem.ts';
import { requestIdHeader } from './request-id.ts';

/** Answers what is no HTTP request with 400, on the bare connection, and hangs up. */
export function refuseConnection(socket: Duplex, error: NodeJS.ErrnoException): void {
  const requestId = randomUUID();
  const problem = toProblem(wireError('bad_request', describe(error.code)), requestId);
  const body = JSON.stringify(problem);
  const head = [
    'HTTP/1.1 400 Bad Request',
    'connection: close',
    `content-type: ${problemMediaType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'cache-control: no-store',
    'x-content-type-options: nosniff',
    'cross-origin-resource-policy: same-origin',
    `${requestIdHeader}: ${requestId}`,
  ].join('\r\n');
  socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy());
}

/** One status for all: a client that is this far off reads the text, and nothing was done. */
function describe(code: string | undefined): string {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'The request took too long to arrive';
    case 'HPE_HEADER_OVERFLOW':
      return 'The headers are too large';
    default:
      return 'This is not a valid HTTP/1.1 request';
  }
}
