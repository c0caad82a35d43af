import { createServer } from 'node:net';
import { explainListenError, type Listen, type ListenVariables, mainVariables } from './listen-error.ts';

/**
 * Throws what `listen` would throw, before Postgres is started for nothing. The port may still be taken until we
 * listen: that is told in the same words then.
 */
export async function requireFreePort(
  listen: Listen,
  variables: ListenVariables = mainVariables,
): Promise<void> {
  if (listen.port === 0) return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const probe = createServer();
  probe.once('error', (error) => reject(explainListenError(error, listen, variables)));
  probe.listen({ ...listen }, () => probe.close(() => resolve()));
  await promise;
}
