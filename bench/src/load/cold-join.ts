import { ChannelSocket } from './channel-socket.ts';
import { ClosedLoop, type ClosedLoopResult } from './closed-loop.ts';
import type { Load } from './load.ts';

export interface ColdJoinOrder {
  /** A member's socket, and the topic of its session. */
  readonly members: readonly { readonly url: string; readonly topic: string }[];
}

/**
 * Joins of one session after the other, one at a time, each left at once: whoever comes back to a session finds
 * it closed again, if there are enough of them. Members with the same address share a socket.
 */
export async function openColdJoin({
  members,
}: ColdJoinOrder): Promise<Load<{ seconds: number }, ClosedLoopResult>> {
  const urls = [...new Set(members.map(({ url }) => url))];
  const sockets = new Map(
    await Promise.all(urls.map(async (url) => [url, await ChannelSocket.open(url)] as const)),
  );
  let next = 0;
  return {
    run: ({ seconds }) =>
      new ClosedLoop((_slot, onEnd) => {
        const { url, topic } = members[next % members.length]!;
        next += 1;
        const socket = sockets.get(url)!;
        socket.push(topic, 'phx_join', '{}', ({ status, response }) => {
          socket.push(topic, 'phx_leave', '{}');
          onEnd(status === 'ok' ? undefined : String(response?.reason ?? status));
        });
      }).run({ slots: 1, inFlight: 1, seconds }),
  };
}
