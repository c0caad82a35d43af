import { type Channel, type Push, Socket as Socket18, type SocketConnectOption } from 'phoenix';
import { Socket as Socket17 } from 'phoenix17';

/** The official clients that the server is tested with: the current one, and the last that is different. */
export const phoenixVersions = ['1.8.16', '1.7.21'] as const;
export type PhoenixVersion = (typeof phoenixVersions)[number];

export type PhoenixSocket = Socket18;
export type PhoenixChannel = Channel;

/** What a push was answered with. */
export interface PhoenixAnswer {
  readonly status: 'ok' | 'error' | 'timeout';
  // biome-ignore lint/suspicious/noExplicitAny: tests look into responses of any shape
  readonly response: any;
}

/**
 * A socket of an official client, connected or about to be. `endpoint` is `ws://host:port/socket`. It
 * reconnects and rejoins quickly, so that tests need not wait for the client's seconds.
 */
export function phoenixClient(
  version: PhoenixVersion,
  endpoint: string,
  options: Partial<SocketConnectOption> = {},
): PhoenixSocket {
  const Socket = version === '1.8.16' ? Socket18 : Socket17;
  const socket = new Socket(endpoint, {
    transport: globalThis.WebSocket as unknown as SocketConnectOption['transport'],
    reconnectAfterMs: () => 10,
    rejoinAfterMs: () => 10,
    ...options,
  });
  socket.connect();
  return socket;
}

/** Waits for the answer to a join, leave or push. */
export function answerOf(push: Push): Promise<PhoenixAnswer> {
  const { promise, resolve } = Promise.withResolvers<PhoenixAnswer>();
  for (const status of ['ok', 'error', 'timeout'] as const) {
    push.receive(status, (response) => resolve({ status, response }));
  }
  return promise;
}

/** Disconnects, and waits until that is done. */
export function disconnectPhoenix(socket: PhoenixSocket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.disconnect(() => resolve());
  return promise;
}
