import type { FastifyInstance } from 'fastify';
import { answerWithoutUpgrade, socketPath } from '../../socket/handshake.ts';

/** Requests for the socket's path that are no upgrade: answered before anything of a body is looked at. */
export function addSocketRoute(app: FastifyInstance): void {
  app.all(socketPath, {
    onRequest: async (request, reply) => {
      const { status, body } = answerWithoutUpgrade(request.method);
      return reply.code(status).type('text/plain').send(body);
    },
    handler: () => undefined,
  });
}
