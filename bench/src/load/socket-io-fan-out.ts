import { Audience } from './audience.ts';
import type { PeerFanOut, PeerFanOutOrder } from './bare-fan-out.ts';
import { gather } from './gather.ts';
import { SocketIoSocket } from './socket-io-socket.ts';

/** As `fan-out`, against a Socket.IO room: the same messages, in its own frames. */
export async function openSocketIoFanOut({ url, subscribers }: PeerFanOutOrder): Promise<PeerFanOut> {
  const audience = new Audience(subscribers);
  const sockets = await gather(subscribers, (n) =>
    SocketIoSocket.join({
      url,
      room: 'everybody',
      onEvent: (bytes) => audience.receive(n, bytes),
      onClosed: () => audience.fail('Socket.IO has closed a socket'),
    }),
  );
  return {
    run: ({ pieces, ...order }) => {
      const message = messageOf(pieces);
      return audience.run(order, (id) => sockets[0]!.emit('announce', message.join(id)));
    },
  };
}

/** The message alone, without the channel's envelope around it. */
function messageOf(pieces: readonly string[]): string[] {
  const [, , , , message] = JSON.parse(pieces.join(placeholder)) as unknown[];
  return JSON.stringify(message).split(placeholder);
}

const placeholder = '<id>';
