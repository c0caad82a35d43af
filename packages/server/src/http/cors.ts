import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * How long a browser remembers that it may ask, so that calls cost one round trip: Chrome keeps it no longer, and
 * an origin that is taken off the list is refused by each call anyway.
 */
const preflightMaxAgeSeconds = 7_200;

/**
 * Lets a page of an origin that has passed the guard read replies. Never with credentials: cookies authenticate
 * nothing here.
 */
export function allowOrigin(request: FastifyRequest, reply: FastifyReply): void {
  const { origin } = request.headers;
  if (origin === undefined) return;
  reply.headers({
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'retry-after, x-request-id',
    vary: 'origin',
  });
}

/** Whether a browser asks if a page may make a call. It carries no identity: a page's headers come with the call. */
export function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && 'access-control-request-method' in headers;
}

export function answerPreflight(reply: FastifyReply): FastifyReply {
  reply.headers({
    'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE',
    'access-control-allow-headers': 'authorization, content-type, x-participant-id, x-request-id',
    'access-control-max-age': preflightMaxAgeSeconds,
  });
  return reply.code(204).send();
}
