import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import type { FuzzedRequest } from './rest-arbitraries.ts';

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

const agent = new Agent({ keepAlive: true });

/** Sends a request as it is: unlike fetch, Node's client lets nearly everything out. */
export function send(url: string, { method, path, headers, body }: FuzzedRequest): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const { hostname, port } = new URL(url);
  // Node sends a body of GET or DELETE without its length, which makes another request of it.
  const length = body === null ? {} : { 'content-length': body.length };
  const options = { hostname, port, method, path, headers: { ...headers, ...length }, agent };
  const call = request(options, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', reject);
    response.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
    });
  });
  call.on('error', reject);
  call.end(body ?? undefined);
  return promise;
}

export function closeFuzzAgent(): void {
  agent.destroy();
}
