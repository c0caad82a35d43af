import type { AppendResult } from './append.ts';
import { type OnEnd, runClosedLoop } from './closed-loop.ts';
import type { Load, TimedRun } from './load.ts';
import { sampleText } from './sample-text.ts';
import { SocketIoSocket } from './socket-io-socket.ts';

export interface SocketIoAppendOrder {
  readonly url: string;
  /** One socket and one room each. */
  readonly senders: number;
  readonly inFlight: number;
}

/**
 * As `append`, against the Socket.IO peer: join a room, send, get an acknowledgement and the room's event.
 */
export async function openSocketIoAppend({
  url,
  senders,
  inFlight,
}: SocketIoAppendOrder): Promise<Load<TimedRun, AppendResult>> {
  let received = 0;
  const onEvent = () => {
    received += 1;
  };
  const rooms = Array.from({ length: senders }, (_, n) => `room ${n}`);
  const sockets = await Promise.all(rooms.map((room) => SocketIoSocket.join({ url, room, onEvent })));
  const send = (slot: number, onEnd: OnEnd) => {
    const message = { session_id: rooms[slot], sender_id: 'user:a1', content: { text: sampleText } };
    sockets[slot]!.emit('send', JSON.stringify(message), () => onEnd());
  };
  return {
    async run({ seconds }) {
      received = 0;
      const result = await runClosedLoop({ slots: senders, inFlight, seconds }, send);
      return { ...result, receivedPerSecond: received / result.seconds };
    },
  };
}
