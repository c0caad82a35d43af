import { inTurns } from '../chat-server.ts';
import { ChannelSocket } from './channel-socket.ts';
import { Heartbeats } from './heartbeats.ts';
import type { Load } from './load.ts';
import type { SenderOrder } from './sender.ts';
import { WireSocket } from './wire-socket.ts';

export interface IdleRun {
  /** So many are open at the end: those of earlier runs, and new ones. */
  readonly sockets: number;
}

export interface KeptIdleRun extends IdleRun {
  /** Then all of them keep themselves alive for this long, as clients do. */
  readonly seconds: number;
}

/** Participants who have joined their session, and say nothing but that they are there. */
export async function openIdle(order: {
  readonly members: readonly SenderOrder[];
}): Promise<Load<KeptIdleRun, { readonly heartbeats: number }>> {
  const open: ChannelSocket[] = [];
  return {
    async run({ sockets, seconds }) {
      await inTurns(order.members.slice(open.length, sockets), async ({ url, topic }) => {
        const socket = await ChannelSocket.open(url);
        await socket.join(topic);
        open.push(socket);
      });
      const heartbeats = seconds === 0 ? 0 : await keepAlive(open, seconds);
      if (!open.every(({ isOpen }) => isOpen))
        throw new Error('the server has closed sockets that were idle');
      return { heartbeats };
    },
  };
}

/** WebSockets of a bare server, with nothing said on them. */
export async function openBareIdle(order: { readonly url: string }): Promise<Load<IdleRun, void>> {
  const open: WireSocket[] = [];
  return {
    async run({ sockets }) {
      const missing = Array.from({ length: sockets - open.length }, () => order.url.replace('http', 'ws'));
      await inTurns(missing, async (url) => {
        const socket = await WireSocket.open(url);
        socket.listen({ onText: () => {} });
        open.push(socket);
      });
      if (!open.every(({ isOpen }) => isOpen)) throw new Error('the bare server has closed sockets');
    },
  };
}

/** Returns how many heartbeats were answered. */
async function keepAlive(sockets: readonly ChannelSocket[], seconds: number): Promise<number> {
  const heartbeats = new Heartbeats(sockets);
  heartbeats.start();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  heartbeats.stop();
  return heartbeats.answered;
}
