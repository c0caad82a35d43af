import type { ChatServer, DirectSession } from './chat-server.ts';
import type { SenderOrder } from './load/sender.ts';

/** The initiator of each session, ready to send there. */
export function sendersOf(server: ChatServer, sessions: readonly DirectSession[]): Promise<SenderOrder[]> {
  return Promise.all(
    sessions.map(async ({ id, initiatorId }) => ({
      url: await server.socketUrl(initiatorId),
      topic: `session:${id}`,
    })),
  );
}
