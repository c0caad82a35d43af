import { setTimeout as sleep } from 'node:timers/promises';
import { inTurns } from '../in-turns.ts';
import { ChannelSocket } from './channel-socket.ts';
import type { Load, TimedRun } from './load.ts';
import type { Member } from './member.ts';

export interface IdleOrder {
  readonly members: readonly Member[];
  readonly heartbeatMs: number;
}

export interface IdleRun extends TimedRun {
  /** So many are open at the end: those of earlier runs, and new ones; all of them for so long. */
  readonly sockets: number;
}

export interface IdleResult {
  /** Heartbeats that were answered in this time. */
  readonly heartbeats: number;
}

/** Participants who have joined their session, and say nothing but that they are there. */
export async function openIdle({ members, heartbeatMs }: IdleOrder): Promise<Load<IdleRun, IdleResult>> {
  const open: ChannelSocket[] = [];
  const countHeartbeats = () => open.reduce((sum, { heartbeats }) => sum + heartbeats, 0);
  return {
    async run({ sockets, seconds }) {
      await inTurns(members.slice(open.length, sockets), async ({ url, topic }) => {
        const socket = await ChannelSocket.open(url, { heartbeatMs });
        await socket.join(topic);
        open.push(socket);
      });
      const before = countHeartbeats();
      await sleep(seconds * 1_000);
      const isWhole = open.every(({ isOpen }) => isOpen);
      if (!isWhole) throw new Error('the server has closed sockets that were idle');
      return { heartbeats: countHeartbeats() - before };
    },
  };
}
