import { createServer } from 'node:net';
import type { Config } from '../config/config.ts';
import { explainListenError } from './listen-error.ts';

/**
 * Throws what `listen` would throw, before Postgres is started for nothing. The port may still be taken until we
 * listen: that is told in the same words then.
 */
export async function requireFreePort({ host, port }: Config['listen']): Promise<void> {
  if (port === 0) return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const probe = createServer();
  probe.once('error', (error) => reject(explainListenError(error, { host, port })));
  probe.listen({ host, port }, () => probe.close(() => resolve()));
  await promise;
}
