import { inTurns } from '../chat-server.ts';
import { Audience, type FanOutResult, type FanOutRun } from './audience.ts';
import type { Load } from './load.ts';
import { SocketIoSocket } from './socket-io-socket.ts';
import { WireSocket } from './wire-socket.ts';

export interface PeerFanOutOrder {
  readonly url: string;
  readonly subscribers: number;
}

/** `pieces` as a run against FleetLM has returned them. */
type PeerFanOutRun = FanOutRun & Pick<FanOutResult, 'pieces'>;

type PeerFanOut = Load<PeerFanOutRun, FanOutResult>;

/** As `fan-out`, against a bare `ws` loop, which sends every text that it gets to all: the same bytes. */
export async function openBareFanOut({ url, subscribers }: PeerFanOutOrder): Promise<PeerFanOut> {
  const audience = new Audience(subscribers);
  const sockets: WireSocket[] = [];
  await inTurns([...Array(subscribers).keys()], async (n) => {
    const socket = await WireSocket.open(url.replace('http', 'ws'));
    socket.listen({
      onText: (bytes) => audience.receive(n, bytes),
      onClosed: () => audience.fail('the bare loop has closed a socket'),
    });
    sockets.push(socket);
  });
  const [sender] = sockets;
  return {
    run: ({ pieces, ...order }) =>
      audience.run(order, (ids) => {
        for (const id of ids) sender!.send(pieces.join(id));
      }),
  };
}

/** As `fan-out`, against a Socket.IO room: the same messages, in its own frames. */
export async function openSocketIoFanOut({ url, subscribers }: PeerFanOutOrder): Promise<PeerFanOut> {
  const audience = new Audience(subscribers);
  const sockets: SocketIoSocket[] = [];
  await inTurns([...Array(subscribers).keys()], async (n) => {
    const socket = await SocketIoSocket.open(url, {
      onEvent: (bytes) => audience.receive(n, bytes),
      onClosed: () => audience.fail('Socket.IO has closed a socket'),
    });
    await new Promise<void>((resolve) => socket.emit('join', '"everybody"', resolve));
    sockets.push(socket);
  });
  const [sender] = sockets;
  return {
    run: ({ pieces, ...order }) => {
      const messagePieces = messageOf(pieces);
      return audience.run(order, (ids) => {
        for (const id of ids) sender!.emit('announce', messagePieces.join(id));
      });
    },
  };
}

/** The message alone, without the channel's envelope around it. */
function messageOf(pieces: readonly string[]): string[] {
  const [, , , , message] = JSON.parse(pieces.join(placeholder)) as unknown[];
  return JSON.stringify(message).split(placeholder);
}

const placeholder = '<id>';
