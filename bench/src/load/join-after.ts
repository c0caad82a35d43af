import type { ChannelSocket, Reply } from './channel-socket.ts';
import type { MissedMessages } from './missed-messages.ts';

/**
 * Joins a session after what was seen of it. The reply holds the first of what was missed, and is taken
 * before the pushes behind it: those go to the socket's `onPush`.
 */
export function joinAfter(
  socket: ChannelSocket,
  { topic, lastSeq }: { readonly topic: string; readonly lastSeq: number },
  missed: MissedMessages,
): Promise<Reply> {
  const { promise, resolve } = Promise.withResolvers<Reply>();
  socket.push(topic, 'phx_join', `{"last_seq":${lastSeq}}`, (reply) => {
    if (reply.status === 'ok') for (const message of reply.response.messages) missed.take(message);
    resolve(reply);
  });
  return promise;
}
