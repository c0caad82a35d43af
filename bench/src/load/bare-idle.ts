import { inTurns } from '../in-turns.ts';
import type { IdleRun } from './idle.ts';
import type { Load } from './load.ts';
import { WireSocket } from './wire-socket.ts';

export interface BareIdleOrder {
  readonly url: string;
}

type BareIdleRun = Pick<IdleRun, 'sockets'>;

/** As `idle`, against a bare WebSocket server: nothing at all is said. */
export async function openBareIdle({ url }: BareIdleOrder): Promise<Load<BareIdleRun, object>> {
  const open: WireSocket[] = [];
  return {
    async run({ sockets }) {
      await inTurns(Array(sockets - open.length).keys(), async () => {
        const socket = await WireSocket.open(url.replace('http', 'ws'));
        socket.listen({ onText: () => {} });
        open.push(socket);
      });
      if (!open.every(({ isOpen }) => isOpen)) throw new Error('the bare server has closed sockets');
      return {};
    },
  };
}
