import type { ServerResponse } from 'node:http';
import { requestIdHeader } from './request-id.ts';

/** Replies hold private data, and are JSON for programs, never something for a page to embed. */
export function setCommonHeaders(response: ServerResponse, requestId: string): void {
  response.setHeader(requestIdHeader, requestId);
  response.setHeader('cache-control', 'no-store');
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('cross-origin-resource-policy', 'same-origin');
}
