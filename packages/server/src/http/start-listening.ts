import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { explainListenError, type Listen, type ListenVariables } from './listen-error.ts';

/** Makes a server listen; port 0 takes a free one. Throws with a message that says what to do. */
export async function startListening(
  server: Server,
  listen: Listen,
  variables?: ListenVariables,
): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (error: Error) => reject(explainListenError(error, listen, variables));
  server.once('error', fail);
  server.listen({ host: listen.host, port: listen.port }, () => resolve());
  await promise;
  server.off('error', fail);
  return server.address() as AddressInfo;
}

/** The URL of an address, as `http://127.0.0.1:4000`. */
export function urlOf({ family, address, port }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
