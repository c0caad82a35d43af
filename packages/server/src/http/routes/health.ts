import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Log } from '../../lib/log.ts';

/** Why the server cannot serve now, in a few words each; none: it is ready. */
export type Health = () => readonly string[] | Promise<readonly string[]>;

/** `/health`: always open, so that it tells nothing but whether to send traffic here. */
export function addHealthRoutes(app: FastifyInstance, health: Health, log: Log): void {
  app.get('/health/live', (_request, reply) => sendStatus(reply, 200, { status: 'live' }));
  app.get('/health/ready', async (_request, reply) => {
    const reasons = await findReasons(health, log);
    if (reasons.length === 0) return sendStatus(reply, 200, { status: 'ready' });
    return sendStatus(reply, 503, { status: 'not_ready', reasons });
  });
}

async function findReasons(health: Health, log: Log): Promise<readonly string[]> {
  try {
    return await health();
  } catch (error) {
    log.error({ err: error }, 'health check failed');
    return ['the health check failed'];
  }
}

function sendStatus(reply: FastifyReply, status: number, body: object): FastifyReply {
  return reply.code(status).type('application/json').send(JSON.stringify(body));
}
