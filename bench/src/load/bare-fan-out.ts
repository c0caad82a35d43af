import { Audience, type FanOutResult, type FanOutRun } from './audience.ts';
import { gather } from './gather.ts';
import type { Load } from './load.ts';
import { WireSocket } from './wire-socket.ts';

export interface PeerFanOutOrder {
  readonly url: string;
  readonly subscribers: number;
}

export interface PeerFanOutRun extends FanOutRun {
  /** As a run against FleetLM has returned them. */
  readonly pieces: FanOutResult['pieces'];
}

export type PeerFanOut = Load<PeerFanOutRun, FanOutResult>;

/** As `fan-out`, against a bare `ws` loop, which sends every text that it gets to all: the same bytes. */
export async function openBareFanOut({ url, subscribers }: PeerFanOutOrder): Promise<PeerFanOut> {
  const audience = new Audience(subscribers);
  const sockets = await gather(subscribers, async (n) => {
    const socket = await WireSocket.open(url.replace('http', 'ws'));
    socket.listen({
      onText: (bytes) => audience.receive(n, bytes),
      onClosed: () => audience.fail('the bare loop has closed a socket'),
    });
    return socket;
  });
  return {
    run: ({ pieces, ...order }) => audience.run(order, (id) => sockets[0]!.send(pieces.join(id))),
  };
}
