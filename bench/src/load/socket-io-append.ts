import type { AppendResult } from './append.ts';
import { ClosedLoop } from './closed-loop.ts';
import type { Load } from './load.ts';
import { sampleText } from './sender.ts';
import { SocketIoSocket } from './socket-io-socket.ts';

export interface SocketIoAppendOrder {
  readonly url: string;
  /** One socket and one room each. */
  readonly rooms: readonly string[];
  readonly inFlight: number;
}

/** As `append`, against the Socket.IO peer: join a room, send, get an acknowledgement and the room's event. */
export async function openSocketIoAppend(
  order: SocketIoAppendOrder,
): Promise<Load<{ seconds: number }, AppendResult>> {
  let received = 0;
  const sockets = await Promise.all(
    order.rooms.map(async (room) => {
      const socket = await SocketIoSocket.open(order.url, { onEvent: () => (received += 1) });
      await new Promise<void>((resolve) => socket.emit('join', JSON.stringify(room), () => resolve()));
      return socket;
    }),
  );
  return {
    async run({ seconds }) {
      received = 0;
      const loop = new ClosedLoop((slot, onEnd) => {
        const message = {
          session_id: order.rooms[slot],
          sender_id: 'user:a1',
          content: { text: sampleText },
        };
        sockets[slot]!.emit('send', JSON.stringify(message), () => onEnd());
      });
      const result = await loop.run({ slots: sockets.length, inFlight: order.inFlight, seconds });
      return { ...result, receivedPerSecond: received / result.seconds };
    },
  };
}
