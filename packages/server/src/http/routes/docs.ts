import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DocsSite } from '../docs/docs-site.ts';
import { sendNotFound } from '../problem.ts';

/** The pages load one stylesheet of ours and nothing else: no script, no frame, no form. */
const contentSecurityPolicy =
  "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The documentation, open to everybody: it tells nothing of this server that the repository does not tell. */
export function addDocsRoutes(app: FastifyInstance): void {
  const site = new DocsSite();
  const handler = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const served = site.find(request.url.split('?', 1)[0]!.replace(/\/$/, ''));
    if (served === null) return sendNotFound(request, reply);
    reply.headers({
      'cache-control': 'no-cache',
      'content-security-policy': contentSecurityPolicy,
      etag: served.etag,
      'referrer-policy': 'no-referrer',
    });
    if (request.headers['if-none-match'] === served.etag) return reply.code(304).send();
    return reply.type(served.type).send(served.body);
  };
  const paths = ['/docs', '/docs/*', '/openapi.json', '/asyncapi.json', '/llms.txt', '/llms-full.txt'];
  for (const path of paths) app.get(path, handler);
}
